"""Command line: what `admin` makes of key pairs, of the pickles of old crawlers, and of tahoe.cfg."""

import pickle
import re
from configparser import ConfigParser
from io import StringIO
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from common import stretch, write_json
from twisted.python.filepath import FilePath

from allmydata.crypto import ed25519
from allmydata.scripts import admin
from allmydata.storage import crawler, expirer
from allmydata.util import base32

CYCLE = {
    "expiration-enabled": True,
    "configured-expiration-mode": ("cutoff-date", None, 1_700_000_000.5, ("mutable", "immutable")),
    "cycle-start-finish-times": (1_690_000_000.25, None),
    "lease-age-histogram": {(0, 86400): 5, (86400, 172800): 2**40},
    "leases-per-share-histogram": {1: 7, 2: 1},
    "corrupt-shares": [("2tvzpwxrkf6odreptjkpou5hee", 3)],
    "space-recovered": {"examined-shares": 7, "actual-diskbytes": -1, "original-sharebytes": 2**70},
}
STATE = {
    "version": 1,
    "last-cycle-finished": None,
    "current-cycle": 0,
    "last-complete-prefix": "aa",
    "last-complete-bucket": None,
    "current-cycle-start-time": 1_690_000_000.25,
    "cycle-to-date": CYCLE,
}
COUNTER = {
    "version": 1,
    "last-cycle-finished": 3,
    "bucket-counts": {3: {"aa": 17, "ab": 300, "ac": 70_000, "é\u20ac": 2**33}},
    "storage-index-samples": {"aa": (3, ["2tvzpwxrkf6odreptjkpou5hee"])},
}
HISTORY = {
    number: {**CYCLE, "lease-age-histogram": [(0, 86400, 5), (86400, 172800, 1)]} for number in [0, 255, 256]
}


def first_protocol(value):
    """As Python 2 wrote it: text in quotes."""
    return re.sub(rb"^V(.*)$", rb"S'\1'", pickle.dumps(value, protocol=0), flags=re.M)


pickles = []
for name, value, convert in [
    ("lease_checker.state", STATE, crawler._convert_pickle_state_to_json),
    ("bucket_counter.state", COUNTER, crawler._convert_pickle_state_to_json),
    ("lease_checker.history", HISTORY, expirer._convert_pickle_state_to_json),
]:
    files = [pickle.dumps(value, protocol=protocol) for protocol in range(6)]
    if name != "bucket_counter.state":
        files.append(first_protocol(value))
    for data in files:
        with TemporaryDirectory() as folder:
            path = FilePath(folder).child(name)
            path.setContent(data)
            text = crawler._upgrade_pickle_to_json(path, convert).getContent().decode()
        pickles.append([name, data, text])

private = ed25519.PRIVATE_KEY_PREFIX + base32.b2a(stretch(b"private key", 32))
out = StringIO()
admin.derive_pubkey(SimpleNamespace(stdout=out, privkey=private.decode()))

# What configparser reads from files that were edited here; the values are ours to keep.
values = ["True", "alice.cert", "100%", "%(nickname)s", "a = b", "x # y"]
parsed = []
for value in values:
    config = ConfigParser(strict=False)
    config.read_string("[storage]\nname = " + value.replace("%", "%%") + "\n")
    parsed.append([value, config.get("storage", "name")])

write_json(
    "cli/admin.json",
    "What admin derive-pubkey prints; pickles of crawlers with their JSON; values of tahoe.cfg as configparser reads them.",
    privateKey=private.decode(),
    keypair=out.getvalue(),
    pickles=pickles,
    values=parsed,
)

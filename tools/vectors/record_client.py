"""Client: what upstream takes from private/servers.yaml and from tahoe.cfg."""

from configparser import Error, NoOptionError, NoSectionError
from tempfile import TemporaryDirectory

from common import write_json

from allmydata import client, node
from allmydata.storage.expirer import LeaseCheckingCrawler
from allmydata.util import configutil, yamlutil

YAML = [
    "storage:\n  v0-a:\n    ann:\n      nickname: one\n      anonymous-storage-FURL: pb://x@y/z\n",
    "# comment\nstorage:\n  v0-b: {ann: {nickname: two, anonymous-storage-FURL: 'pb://x@y/z', anonymous-storage-NURLs: ['pb://k@h:1/s#v=1']}, connections: {tcp: tor}}\n"
    "  v0-a:\n    ann:\n      permutation-seed-base32: \"abc\"\n      unknown: [1, 2.5, null, yes, {deep: er}]\n",
    "storage: {}\n",
    "other: thing\n",
    "%YAML 1.1\n---\nstorage:\n  v0-a:\n    ann: &ann\n      nickname: \"a b\"\n  v0-b:\n    ann: *ann\n",
    "storage:\n  v0-a:\n    ann:\n      nickname: |\n        two\n        lines\n      grid-manager-certificates:\n      - certificate: '{}'\n        signature: s\n",
]
files = []
for text in YAML:
    storage = yamlutil.safe_load(text).get("storage", {})
    files.append({"text": text, "servers": [[server_id, storage[server_id]["ann"]] for server_id in sorted(storage)]})

CFG = [
    "[client]\nshares.needed = 3\nshares.happy=7\nshares.total: 10\n",
    "# comment\n; another\n[node]\nnickname = a = b: c\n\n[client]\n  shares.needed = 1\npeers.preferred = v0-a,\n    v0-b\nempty =\n",
    "[client]\nSHARES.Needed = 4\nshares.needed = 5\n[client]\nshares.total = 6 # no comment\n",
    "[DEFAULT]\nhost = h\n[client]\nwhere = %(host)s:%(port)s\nport = 1\nper = 100%%\n",
    "\ufeff[client]\nnickname = caf\u00e9 \u2603\nspaced   =   value with  spaces   \n",
    "[client]\nbad = 50%\nmissing = %(nothing)s\nrecursive = %(recursive)s\n",
    "[client]\nlist =\n  a\n\n  b\n  # inside\n  c\nnext = 1\n",
    "[client] trailing\nkey: value = x\n[ spaced ]\nkey=1\n",
    "no section = 1\n",
    "[client]\nno delimiter\n",
    "[client\nkey = 1\n",
    "[client]\n= value\n",
]
configs = []
for text in CFG:
    try:
        parser = configutil.get_config_from_string(text.removeprefix("\ufeff"))
    except Error as error:
        configs.append({"text": text, "error": type(error).__name__})
        continue
    options = []
    for section in parser.sections():
        for option in parser.options(section):
            try:
                options.append([section, option, parser.get(section, option)])
            except (NoOptionError, NoSectionError):
                raise
            except Error:
                options.append([section, option, None])
    configs.append({"text": text, "options": options})

write_json("client/servers-yaml.json", "The server ids, sorted, and announcements that upstream reads from private/servers.yaml.", files=files)
write_json("client/tahoe-cfg.json", "The (section, option, value) that upstream reads from tahoe.cfg, or the error of its parser; a null value cannot be interpolated.", files=configs)

# What `[storage]` says of leases that expire: the arguments that upstream gives to its storage server.
EXPIRE = [
    "",
    "expire.enabled = true\n",
    "expire.enabled = false\n",
    "expire.enabled = true\nexpire.mode = age\n",
    "expire.enabled = Yes\nexpire.mode = age\nexpire.override_lease_duration = 60 days\n",
    "expire.enabled = on\nexpire.mode = cutoff-date\nexpire.cutoff_date = 2009-01-16\n",
    "expire.enabled = 1\nexpire.mode = cutoff-date\n",
    "expire.enabled = maybe\n",
    "expire.enabled =\n",
    "expire.enabled = True\nexpire.mode =\n",
    "expire.enabled = True\nexpire.mode = Age\n",
    "expire.mode = nonsense\n",
    "expire.mode = cutoff-date\n",
    "expire.mode = cutoff-date\nexpire.cutoff_date = 2024-02-29\n",
    "expire.enabled = true\nexpire.mode = age\nexpire.cutoff_date = nonsense\n",
    "expire.enabled = true\nexpire.mode = age\nexpire.cutoff_date = 2009-01-16\n",
    "expire.enabled = true\nexpire.mode = cutoff-date\nexpire.cutoff_date = 2009-01-16\nexpire.override_lease_duration = 7days\n",
    "expire.enabled = true\nexpire.mode = cutoff-date\nexpire.cutoff_date = 2009-01-16\nexpire.override_lease_duration = 7\n",
    "expire.enabled = true\nexpire.mode = age\nexpire.immutable = false\n",
    "expire.enabled = true\nexpire.mode = age\nexpire.mutable = no\nexpire.immutable = off\n",
    "expire.enabled = true\nexpire.mode = age\nexpire.mutable = 2\n",
    "Expire.Enabled = true\nEXPIRE.MODE = age\n",
    "storage_dir = elsewhere\n",
    "storage_dir = /var/shares\n",
    *[
        f"expire.override_lease_duration = {duration}\n"
        for duration in (
            "7days", "31day", "60 days", "2mo", "3 month", "12 months", "2years", "1 YEAR", "10s", "5 second", "6 Seconds", "0 days", "007days", "1  mo",
            "", "days", "7", "-7days", "7.5 days", "7 d", "1 week", "7days ago", "7 days, 3 months", "1e3 s", "2 min", "months 3", "1 000 days", "7days%%",
        )
    ],
    *[
        f"expire.mode = cutoff-date\nexpire.cutoff_date = {date}\n"
        for date in (
            "1970-01-01", "2008-02-02", "1969-12-31", "2038-01-20", "9999-12-31", "2009-12-32", "2009-02-31", "2023-02-29", "2009-02-00", "2009-13-01", "2009-00-10",
            "0000-01-01", "2009-1-16", "09-01-16", "2009/01/16", "20090116", "16-01-2009", "2009-01-16T10:20:30", "2009-01-16 trailing", "January 16th, 2009", "", "1232064000",
        )
    ],
]


class CapturedServer:
    name = "storage"

    def __init__(self, storedir, _nodeid, **arguments):
        self.captured = {name: value for name, value in arguments.items() if name.startswith("expiration_")}
        self.captured["storedir"] = storedir

    def setServiceParent(self, _parent):
        pass


class NodeOf:
    """As much of a node as its storage server is made from."""

    nodeid, stats_provider, STOREDIR = b"", None, client._Client.STOREDIR

    def __init__(self, config):
        self.config = config
        self.get_config = config.get_config

    def getServiceNamed(self, _name):
        raise KeyError


def storage_settings(text):
    with TemporaryDirectory() as folder:
        parsed = node.config_from_string(folder, "portnum", f"[storage]\n{text}", _valid_config=client._valid_config())
        server = client._Client.get_anonymous_storage_server(NodeOf(parsed))
        captured = server.captured
        captured["storedir"] = captured["storedir"].replace(folder, "NODE")
        # The crawler that gets them says which it takes.
        LeaseCheckingCrawler(FakeStorage(folder), f"{folder}/state", f"{folder}/history", *[captured[f"expiration_{name}"] for name in ("enabled", "mode", "override_lease_duration", "cutoff_date", "sharetypes")])
        return captured


class FakeStorage:
    """As much of a storage server as its crawler is made from."""

    def __init__(self, folder):
        self.sharedir = folder


client.StorageServer = CapturedServer
settings = []
for text in EXPIRE:
    try:
        settings.append({"text": text, "settings": storage_settings(text)})
    except (ValueError, AssertionError, Error, node.MissingConfigEntry) as error:
        settings.append({"text": text, "error": type(error).__name__})

write_json("client/storage-settings.json", "What upstream makes of a section [storage] of tahoe.cfg: the arguments of its storage server, or the error that keeps the node from starting.", cases=settings)

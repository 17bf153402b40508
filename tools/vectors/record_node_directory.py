"""Node directories: which options upstream knows, and what it makes of a tahoe.cfg before it starts."""

from configparser import Error
from tempfile import TemporaryDirectory

from common import write_json
from twisted.python.filepath import FilePath

from allmydata import client, node
from allmydata.introducer.client import IntroducerClient
from allmydata.util import configutil
from allmydata.util.abbreviate import parse_abbreviated_size

KNOWN = client._valid_config()._static_valid_sections

CLIENT = "[storage]\nenabled = false\n"
TEXTS = [
    "",
    CLIENT,
    "[node]\nnickname = 100%% ours\nweb.port = tcp:3456:interface=127.0.0.1\n",
    "[node]\nweb.port =\ntub.port = tcp:3457\ntub.location = tcp:example.org:3457\n",
    "[node]\ntub.port = 3457\ntub.location = example.org:3457,AUTO\n",
    "[node]\ntub.port = tcp:3457:interface=127.0.0.1,tcp:3458\ntub.location = tcp:a:1,tcp:b:2\n",
    "[node]\ntub.port = 3457\n",
    "[node]\ntub.location = tcp:example.org:3457\n",
    "[node]\ntub.port = disabled\ntub.location = disabled\n",
    CLIENT + "[node]\ntub.port = disabled\ntub.location = disabled\n",
    "[node]\ntub.port = disabled\n",
    "[node]\ntub.location = disabled\n",
    "[node]\ntub.port =\n",
    "[node]\ntub.location =\n",
    *[f"[node]\ntub.port = {port}\n" for port in ("0", "tcp:0", "tcp:port=0", "tcp:0:interface=127.0.0.1")],
    "[node]\nreveal-IP-address = false\n",
    "[node]\nreveal-IP-address = maybe\n",
    "[node]\nreveal-IP-address = false\ntub.location = tcp:a:1\n[connections]\ntcp = disabled\n",
    "[node]\nreveal-IP-address = false\ntub.location = a:1\n[connections]\ntcp = disabled\n",
    "[node]\nreveal-IP-address = false\ntub.location = AUTO\n[connections]\ntcp = disabled\n",
    "[node]\nreveal-IP-address = false\ntub.port = tcp:1\ntub.location = tor:a.onion:1\n[connections]\ntcp = disabled\n",
    "[connections]\ntcp = DISABLED\n",
    "[connections]\ntcp = carrier-pigeon\n",
    "[node]\nssh.port = 1\n",
    "[nodes]\nnickname = me\n",
    "[client]\nshares.neded = 1\n",
    "[client]\nSHARES.NEEDED = 1\n",
    "[DEFAULT]\nnickname = me\n[storage]\n",
    "[grid_managers]\nany = thing\n[grid_manager_certificates]\nother = thing\n[storageclient.plugins.a]\nb = c\n[storageserver.plugins.d]\ne = f\n",
    "[storageclient.plugins]\nb = c\n",
    "[storage]\nenabled = perhaps\n",
    "[client]\nhelper.furl = pb://a@b:1/c#d\n",
    "[client]\nhelper.furl = pb://a@b:1/c\n",
    "[storage]\nanonymous = off\nreadonly = yes\nreserved_space = 1G\n",
]
SIZES = ["", "0", "1", "007", "1k", "1K", "1kB", "1KiB", "1ki", "500MB", "10 G", "2T", "3p", "1e", "1I", "1B", "1IB", "-1", "1.5G", "G", "1GG", "1Z", "0x10", "constructor"]


def facts(text):
    with TemporaryDirectory() as folder:
        config = node.config_from_string(folder, f"{folder}/client.port", text, client._valid_config())
        node.create_default_connection_handlers(config, {"tcp": object(), "tor": object(), "i2p": object()})
        config.get_config("client", "helper.furl", None)
        tub = node._tub_portlocation(config, lambda: ["192.0.2.1"], lambda: 12345)
        enabled = client.storage_enabled(config)
        if enabled and tub is None:
            raise ValueError("storage without a tub")
        return {
            "nickname": config.nickname,
            "web.port": config.get_config("node", "web.port", None),
            "tub": None if tub is None else [tub[0], tub[1].decode()],
            "storage": enabled,
            "anonymous": client.anonymous_storage_enabled(config),
            "readonly": config.get_config("storage", "readonly", False, boolean=True),
        }


cases = []
for text in TEXTS:
    try:
        cases.append({"text": text, "facts": facts(text)})
    except (ValueError, Error, configutil.UnknownConfigError, node.PrivacyError, node.PortAssignmentRequired, node.UnescapedHashError) as error:
        cases.append({"text": text, "error": type(error).__name__})

sizes = []
for text in SIZES:
    try:
        sizes.append([text, parse_abbreviated_size(text) or 0])
    except ValueError:
        sizes.append([text, None])

# What a node keeps of the servers that an introducer told it of.
ANNOUNCEMENTS = [
    (b"v0-one", {"service-name": "storage", "version": 0, "nickname": "caf\u00e9 \u2603", "app-versions": {}, "my-version": "tahoe-lafs/1.20.0", "oldest-supported": "1.0.0", "nonce": "abc", "seqnum": 3, "anonymous-storage-FURL": f"pb://{'a' * 32}@tcp:192.0.2.7:3457/{'b' * 32}", "anonymous-storage-NURLs": [f"pb://{'A' * 43}@192.0.2.7:3457/{'b' * 32}#v=1"], "permutation-seed-base32": "c" * 52}),
    (b"v0-two", {"service-name": "storage", "nickname": "yes", "anonymous-storage-FURL": f"pb://{'d' * 32}@tcp:[2001:db8::1]:1/x", "grid-manager-certificates": [{"certificate": "{}", "signature": "s"}]}),
    (b"v0-three", {"service-name": "stub_client", "nickname": "no server"}),
]
with TemporaryDirectory() as folder:
    introducer = IntroducerClient.__new__(IntroducerClient)
    introducer._cache_filepath = FilePath(folder).child("cache.yaml")
    introducer._inbound_announcements = {key: (announcement, key, 0) for key, announcement in ANNOUNCEMENTS}
    introducer._save_announcements()
    cache = introducer._cache_filepath.getContent().decode("utf-8")

write_json(
    "node-directory/introducer-cache.json",
    "What upstream's node writes into private/introducer_NAME_cache.yaml, and the announcements of which: server id, announcement.",
    text=cache,
    announcements=[[key.decode(), announcement] for key, announcement in ANNOUNCEMENTS],
)

write_json(
    "node-directory/node-config.json",
    "The options that upstream knows, by section; what it makes of a tahoe.cfg, or the error that keeps a node from starting (the machine has the address 192.0.2.1, and 12345 is the free port); and the sizes that it reads, null for an error.",
    known=[[section, sorted(set(options))] for section, options in sorted(KNOWN.items())],
    cases=cases,
    sizes=sizes,
)

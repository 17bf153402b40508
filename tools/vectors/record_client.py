"""Client: what upstream takes from private/servers.yaml and from tahoe.cfg."""

from configparser import Error, NoOptionError, NoSectionError

from common import write_json

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

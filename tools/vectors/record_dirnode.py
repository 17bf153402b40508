"""Directories: packed tables, what upstream reads in them, how edits change them, and stored ones.

The salts of packed write caps follow from the caps, so only the times of edits and what
memory_grid.py fixes are left to chance.
"""

import ast
import json
import re
import unicodedata
from base64 import b32decode
from pathlib import Path

import allmydata
from common import stretch, write_json
from memory_grid import SECRETS, Grid, digest, encode, keep, key_pair, salts
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from allmydata import dirnode, uri
from allmydata.deep_stats import DeepStats
from allmydata.dirnode import ONLY_FILES, DirectoryNode, pack_children, update_metadata
from allmydata.interfaces import IFilesystemNode, MDMF_VERSION, SDMF_VERSION
from allmydata.mutable.publish import MutableData
from allmydata.nodemaker import NodeMaker
from allmydata.unknown import UnknownNode
from allmydata.util.netstring import netstring

NODES = NodeMaker(None, SECRETS, None, None, None, {"k": 3, "n": 10}, SDMF_VERSION, None)
WRITEKEY, FINGERPRINT = stretch(b"a write key. ", 16), stretch(b"a fingerprint. ", 32)
DIRECTORY = uri.DirectoryURI(uri.WriteableSSKFileURI(WRITEKEY, FINGERPRINT))
CHK = uri.CHKFileURI(stretch(b"a key. ", 16), stretch(b"a hash. ", 32), 3, 10, 12345)
NOW = 1_700_000_000.25


def cap_text(cap):
    return cap.to_string().decode("ascii")


def ssk(letter):
    return uri.WriteableSSKFileURI(stretch(letter, 16), stretch(letter.upper(), 32))


def mdmf(letter):
    return uri.WriteableMDMFFileURI(stretch(letter, 16), stretch(letter.upper(), 32))


LIT = uri.LiteralFileURI(b"some text")
CAPS = {
    "lit": LIT,
    "empty lit": uri.LiteralFileURI(b""),
    "chk": CHK,
    "sdmf": ssk(b"a"),
    "sdmf read-only": ssk(b"b").get_readonly(),
    "mdmf": mdmf(b"c"),
    "mdmf read-only": mdmf(b"d").get_readonly(),
    "directory": uri.DirectoryURI(ssk(b"e")),
    "directory read-only": uri.DirectoryURI(ssk(b"f")).get_readonly(),
    "mdmf directory": uri.MDMFDirectoryURI(mdmf(b"g")),
    "mdmf directory read-only": uri.MDMFDirectoryURI(mdmf(b"h")).get_readonly(),
    "chk directory": uri.ImmutableDirectoryURI(CHK),
    "lit directory": uri.LiteralDirectoryURI(LIT),
}
IMMUTABLE = ["lit", "empty lit", "chk", "chk directory", "lit directory"]
VERIFY = {
    "sdmf verify": ssk(b"a").get_verify_cap(),
    "chk verify": CHK.get_verify_cap(),
    "directory verify": uri.DirectoryURI(ssk(b"e")).get_verify_cap(),
}


# What comes out.
def error_facts(error):
    message = re.sub(r" object at 0x[0-9a-f]+", "", str(error))
    return {"type": type(error).__name__, "message": message}


def text(value):
    """Text where it is; an object of the bytes where a cap is none."""
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"bytes": value}


def node_facts(node):
    if not IFilesystemNode.providedBy(node):
        return {"class": type(node).__name__}
    facts = {
        "class": type(node).__name__,
        "writeUri": text(node.get_write_uri()),
        "readUri": text(node.get_readonly_uri()),
        "allowedInImmutable": node.is_allowed_in_immutable_directory(),
    }
    if node.is_unknown():
        facts["allegedImmutable"] = node.is_alleged_immutable()
    if node.is_unknown() and node.error is not None:
        facts["error"] = error_facts(node.error)
    return facts


def listing(children):
    return [
        {"name": name, **node_facts(node), "metadata": json.dumps(metadata)}
        for name, (node, metadata) in sorted(children.items())
    ]


def directory(cap):
    """A directory of which nothing but the cap is known."""
    return NODES.create_from_cap(cap.to_string())


READERS = {
    "write": DIRECTORY,
    "read": DIRECTORY.get_readonly(),
    "immutable": uri.ImmutableDirectoryURI(CHK),
}


def readings(packed, readers):
    found = {}
    for name in readers:
        node = directory(READERS[name])
        try:
            children = node._unpack_contents(packed)
        except Exception as error:
            found[name] = {"error": error_facts(error)}
            continue
        found[name] = {"children": listing(children)}
        if name == "write":
            repacked = node._pack_contents(children)
            if repacked != packed:
                found[name]["repacked"] = repacked
    return found


# Tables that upstream packs.
def child(cap, metadata=None):
    return {"write": cap_text(cap), "read": None, "metadata": {} if metadata is None else metadata}


def unknown(write, read, metadata=None):
    return {"write": write, "read": read, "metadata": {} if metadata is None else metadata}


UNKNOWN = {
    "unknown read and write": unknown("x-tahoe-future:write", "x-tahoe-future:read"),
    "unknown, prefixed": unknown("x-tahoe-future:write", "ro.x-tahoe-future:read"),
    "unknown read-only": unknown(None, "ro.x-tahoe-future:read"),
    "unknown immutable": unknown(None, "imm.x-tahoe-future:read"),
    "unknown in the write slot, read-only": unknown("ro.x-tahoe-future:one", None),
    "unknown in the write slot, immutable": unknown("imm.x-tahoe-future:one", None),
    "unknown, not ASCII": unknown("x-tahoe-\u2603:write", "ro.x-tahoe-\u2603:read"),
    **{name: unknown(None, cap_text(cap)) for name, cap in VERIFY.items() if name != "chk verify"},
}
SYSTEM = {"linkcrtime": 1_600_000_000.5, "linkmotime": 1_600_000_001.75}
METADATA = {
    "none": {},
    "usual": {"tahoe": SYSTEM},
    "old": {"ctime": 1246663897.4336269, "mtime": 1246663897.4336269, "tahoe": {"linkcrtime": 1246663897.4336269, "linkmotime": 1246663897.4336269}},
    "order of keys": {"z": 1, "a": {"y": 2, "b": 3}, "tahoe": SYSTEM},
    "numbers": {"integer": 0, "negative": -7, "float": 1.0, "large": 2**53 + 1, "huge": 10**30, "small": 1e-7, "exponent": 1.5e300, "round": 1e22, "fraction": 1e-5, "tenth": 0.1, "minus zero": -0.0},
    "not finite": {"nan": float("nan"), "infinity": float("inf"), "minus": float("-inf")},
    "text": {"unicode": "\u00e9\u2603\U0001f600", "control": "\x00\x1f\x7f\"\\/\n", "empty": ""},
    "nested": {"list": [1, "two", None, True, False, [], {}], "deep": {"deeper": {"deepest": []}}},
    "no write": {"no-write": True, "tahoe": SYSTEM},
    "keys": {"": 1, "\u2603": 2, "__proto__": {"polluted": True}, "constructor": 3, "10": 4, "9": 5},
}
NAMES = {
    "file": "plain",
    "\u00e9": "composed",
    "A\u030a": "decomposed",
    "\u212b\u212b": "angstrom signs",
    "\u1112\u1161\u11ab\u1100\u1173\u11af": "hangul jamo",
    "\u0958": "excluded from composition",
    "q\u0323\u0307": "marks in order",
    "q\u0307\u0323x": "marks out of order",
    "\U0001f600": "beyond the basic plane",
    "\uff5e": "after the surrogates in UTF-16",
    "\ufb01": "ligature, kept by NFC",
    " ": "space",
    "  lead and trail  ": "spaces",
    "": "empty",
    ".": "dot",
    "..": "dot dot",
    "a/b": "slash",
    "a\nb": "line feed",
    "a\x00b": "NUL",
    "a:b,3:": "like a netstring",
    "File": "upper case",
    "x" * 300: "long",
    "\u202egnp": "right to left",
}
TABLES = {
    "empty": {},
    "one child": {"file": child(CHK, METADATA["usual"])},
    "every kind": {name: child(cap, METADATA["usual"]) for name, cap in CAPS.items()},
    "unknown children": dict(UNKNOWN),
    "metadata": {name: child(LIT, metadata) for name, metadata in METADATA.items()},
    "names": {name: child(uri.LiteralFileURI(about.encode())) for name, about in NAMES.items()},
    "two names that normalise to one": {"A\u030a": child(LIT), "\u00c5": child(CHK)},
    "a hundred children": {f"child {i}": child(ssk(b"%d" % i) if i % 2 else CHK, METADATA["usual"]) for i in range(100)},
    "alleged read-only caps of known kinds": {
        "ro. of a read cap": unknown(None, "ro." + cap_text(ssk(b"a").get_readonly())),
        "imm. of CHK": unknown(None, "imm." + cap_text(CHK)),
        "ro. of CHK": unknown(None, "ro." + cap_text(CHK)),
        "imm. of LIT": unknown(None, "imm." + cap_text(LIT)),
        "ro. of a directory's read cap": unknown(None, "ro." + cap_text(CAPS["directory read-only"])),
        "imm. of a CHK directory": unknown(None, "imm." + cap_text(CAPS["chk directory"])),
    },
    "read caps given beside write caps": {
        "sdmf": unknown(cap_text(ssk(b"a")), cap_text(ssk(b"a").get_readonly())),
        "another read cap": unknown(cap_text(ssk(b"a")), cap_text(ssk(b"b").get_readonly())),
        "read cap in both": unknown(cap_text(CAPS["sdmf read-only"]), cap_text(CAPS["sdmf read-only"])),
    },
}
IMMUTABLE_TABLES = {
    "empty": {},
    "every kind": {name: child(CAPS[name], METADATA["usual"]) for name in IMMUTABLE},
    "unknown children": {
        "imm.": unknown(None, "imm.x-tahoe-future:one"),
        "ro.": unknown(None, "ro.x-tahoe-future:two"),
        "no prefix": unknown(None, "x-tahoe-future:three"),
        "imm. in the write slot": unknown("imm.x-tahoe-future:four", None),
    },
    "names": {name: child(LIT) for name in NAMES},
    "imm. of known kinds": {"chk": unknown(None, "imm." + cap_text(CHK)), "lit": unknown(None, "imm." + cap_text(LIT))},
}
REFUSED_TABLES = {
    "imm. and a write cap": (False, {"a": unknown("x-tahoe-future:write", "imm.x-tahoe-future:read")}),
    "unknown without a prefix": (False, {"a": unknown("x-tahoe-future:one", None)}),
    "ro. of a write cap": (False, {"a": unknown(None, "ro." + cap_text(ssk(b"a")))}),
    "imm. of a read cap": (False, {"a": unknown(None, "imm." + cap_text(ssk(b"a").get_readonly()))}),
    "no cap": (False, {"a": unknown(None, None)}),
    "chk verify cap": (False, {"a": unknown(None, cap_text(VERIFY["chk verify"]))}),
    "chk verify cap in an immutable directory": (True, {"a": unknown(None, cap_text(VERIFY["chk verify"]))}),
    "a name that is not text": (False, {"a\ud800": child(LIT)}),
    "metadata that is no object": (False, {"a": child(LIT, [])}),
    **{f"{name} in an immutable directory": (True, {"a": child(cap)}) for name, cap in CAPS.items() if name not in IMMUTABLE},
    "unknown write cap in an immutable directory": (True, {"a": unknown("x-tahoe-future:write", "ro.x-tahoe-future:read")}),
    "ro. in the write slot of an immutable directory": (True, {"a": unknown("ro.x-tahoe-future:one", None)}),
}


def as_json(metadata):
    return None if metadata is None else json.dumps(metadata)


def bytes_or_none(value):
    return None if value is None else value.encode("utf-8")


def pack(table, deep_immutable, nodes_immutable=None):
    """nodes_immutable: whether the nodes were made for an immutable directory; as deep_immutable if not given."""
    immutable = deep_immutable if nodes_immutable is None else nodes_immutable
    children = {}
    for name, one in table.items():
        node = NODES.create_from_cap(bytes_or_none(one["write"]), bytes_or_none(one["read"]), deep_immutable=immutable, name=name)
        children[name] = (node, one["metadata"])
    return pack_children(children, None if deep_immutable else WRITEKEY, deep_immutable)


def given(table):
    """The children as they were given; metadata as JSON text, whose numbers Python writes its own way."""
    return [{**one, "name": name, "metadata": as_json(one["metadata"])} for name, one in table.items()]


def record_tables():
    cases = []
    for deep_immutable, tables, readers in [(False, TABLES, ["write", "read"]), (True, IMMUTABLE_TABLES, ["immutable"])]:
        for name, table in tables.items():
            packed = pack(table, deep_immutable)
            cases.append(
                {
                    "name": name,
                    "deepImmutable": deep_immutable,
                    "children": given(table),
                    "packed": packed,
                    "read": readings(packed, readers),
                }
            )
    refused = []
    for name, (deep_immutable, table) in REFUSED_TABLES.items():
        for nodes_immutable in {deep_immutable, False}:
            case = {"name": name, "deepImmutable": deep_immutable, "nodesImmutable": nodes_immutable, "children": given(table)}
            try:
                refused.append({**case, "packed": pack(table, deep_immutable, nodes_immutable)})
            except Exception as error:
                refused.append({**case, "error": error_facts(error)})
    for case in refused:
        for one in case["children"]:
            one["name"] = one["name"].encode("utf-8", "backslashreplace").decode()
    write_json(
        "dirnode/tables.json",
        "Directory tables. children are given as write and read cap and metadata (JSON text), in no"
        " order; packed is what upstream stores, with writekey where it is mutable; read is what a"
        " holder of each cap of readers gets back, metadata as Python prints it, with the bytes that it"
        " packs again (repacked) where they are not the same. refused could not be packed, or were all"
        " the same (packed); nodesImmutable tells whether the children's nodes were made for an"
        " immutable directory.",
        writekey=WRITEKEY,
        readers={name: cap_text(cap) for name, cap in READERS.items()},
        cases=cases,
        refused=refused,
    )


# Tables that nobody should have packed.
def entry(name=b"name", read=None, write=b"", metadata=b"{}", encrypted=None):
    read = CHK.to_string() if read is None else read
    encrypted = dirnode._encrypt_rw_uri(WRITEKEY, write) if encrypted is None else encrypted
    return netstring(netstring(name) + netstring(read) + netstring(encrypted) + netstring(metadata))


GOOD = entry(b"good")
SSK = ssk(b"a")
BAD = {
    "not a netstring": b"hello",
    "one byte": b"\x00",
    "a colon": b":",
    "no comma": b"3:abc",
    "another byte for the comma": b"3:abc.",
    "length beyond the end": b"10:abc,",
    "negative length": b"-1:abc,",
    "length with a plus sign": b"+" + GOOD,
    "length with spaces": b" " + GOOD,
    "length with a leading zero": b"0" + GOOD,
    "length with an underscore": entry(b"x" * 900).replace(b"1", b"1_", 1),
    "a huge length": b"99999999999999999999999999:abc,",
    "junk after an entry": GOOD + b"junk",
    "a line feed after an entry": GOOD + b"\n",
    "an empty entry": netstring(b""),
    "three fields": netstring(netstring(b"name") + netstring(CHK.to_string()) + netstring(b"")),
    "five fields": netstring(GOOD[4:-1] + netstring(b"more")),
    "junk after the fields": netstring(GOOD[4:-1] + b"junk"),
    "a field that is cut": netstring(GOOD[4:-3]),
    "name not UTF-8": entry(b"\xff\xfe"),
    "name with an encoded surrogate": entry(b"\xed\xa0\x80"),
    "name not normalised": entry("A\u030a".encode()),
    "the same name twice": entry(b"name", metadata=b'{"first": 1}') + entry(b"name", metadata=b'{"second": 2}'),
    "names that normalise to one": entry("A\u030a".encode()) + entry("\u00c5".encode()),
    "names out of order": entry(b"b") + entry(b"a"),
    "metadata empty": entry(metadata=b""),
    "metadata not JSON": entry(metadata=b"{"),
    "metadata with junk": entry(metadata=b"{} {}"),
    "metadata null": entry(metadata=b"null"),
    "metadata a list": entry(metadata=b"[]"),
    "metadata a number": entry(metadata=b"1"),
    "metadata not UTF-8": entry(metadata=b'{"a": "\xff"}'),
    "metadata in UTF-16": entry(metadata='{"a": 1}'.encode("utf-16-le")),
    "metadata with a byte order mark": entry(metadata=b"\xef\xbb\xbf{}"),
    "metadata with a key twice": entry(metadata=b'{"a": 1, "a": 2}'),
    "metadata with NaN": entry(metadata=b'{"a": NaN, "b": Infinity}'),
    "metadata with spaces": entry(metadata=b' {"a" : 1 } '),
    "metadata with a lone surrogate": entry(metadata=b'{"a": "\\ud800"}'),
    "metadata with a control character": entry(metadata=b'{"a": "\n"}'),
    "metadata with raw text": entry(metadata='{"a": "\u00e9"}'.encode()),
    "write cap too short to decrypt": entry(encrypted=b"short"),
    "write cap empty": entry(encrypted=b""),
    "write cap of 47 bytes": entry(encrypted=b"x" * 47),
    "write cap with a wrong MAC": entry(read=SSK.get_readonly().to_string(), encrypted=dirnode._encrypt_rw_uri(WRITEKEY, SSK.to_string())[:-1] + b"!"),
    "write cap with trailing spaces": entry(read=SSK.get_readonly().to_string(), write=SSK.to_string() + b"   "),
    "read cap with trailing spaces": entry(read=CHK.to_string() + b"   "),
    "write cap of spaces": entry(write=b"   "),
    "read cap empty": entry(read=b""),
    "read cap empty, write cap good": entry(read=b"", write=SSK.to_string()),
    "read cap of spaces": entry(read=b"  "),
    "write cap of another key": entry(read=SSK.get_readonly().to_string(), encrypted=dirnode._encrypt_rw_uri(b"\x01" * 16, SSK.to_string())),
    "a write cap in the read slot": entry(read=SSK.to_string()),
    "ro. of a write cap in the read slot": entry(read=b"ro." + SSK.to_string()),
    "imm. of a mutable read cap": entry(read=b"imm." + SSK.get_readonly().to_string()),
    "a read cap in the write slot": entry(read=SSK.get_readonly().to_string(), write=SSK.get_readonly().to_string()),
    "a mutable read cap": entry(read=SSK.get_readonly().to_string()),
    "malformed cap": entry(read=b"URI:CHK:malformed"),
    "malformed write cap": entry(read=SSK.get_readonly().to_string(), write=b"URI:SSK:malformed"),
    "unknown write cap alone": entry(read=b"", write=b"x-tahoe-future:write"),
    "unknown write cap, immutable read cap": entry(read=b"imm.x-tahoe-future:read", write=b"x-tahoe-future:write"),
    "read cap not UTF-8": entry(read=b"\xff\xfe"),
    "read cap with a line feed": entry(read=CHK.to_string() + b"\n"),
    "a dropped child between good ones": entry(b"a") + entry(b"b", read=b"ro." + SSK.to_string()) + entry(b"c"),
    "immutable with an empty write cap": entry(encrypted=b"", read=CHK.to_string()),
    "immutable with a mutable child": entry(b"mutable", encrypted=b"", read=SSK.get_readonly().to_string()) + entry(b"good", encrypted=b""),
    "immutable with unknown children": entry(b"ro.", encrypted=b"", read=b"ro.x-tahoe-future:a") + entry(b"imm.", encrypted=b"", read=b"imm.x-tahoe-future:b") + entry(b"none", encrypted=b"", read=b"x-tahoe-future:c"),
}


def record_bad():
    write_json(
        "dirnode/bad-tables.json",
        "Tables as nobody should write them, and what upstream makes of each with the caps of"
        " tables.json: the error, or the children that are left, and the bytes that it packs again"
        " where they are not the same.",
        cases=[
            {"name": name, "packed": packed, "read": readings(packed, list(READERS))}
            for name, packed in BAD.items()
        ],
    )


# Nodes from caps.
def record_nodes():
    known = {name: cap_text(cap) for name, cap in {**CAPS, **VERIFY}.items()}
    future = "x-tahoe-future:cap"
    singles = [*known.values(), future, "", "URI:CHK:malformed", "URI:SSK:malformed"]
    prefixed = [prefix + cap for prefix in ("ro.", "imm.", "ro.ro.", "imm.ro.") for cap in singles]
    pairs = [(write, None) for write in singles + prefixed] + [(None, read) for read in singles + prefixed]
    both = [future, "ro." + future, "imm." + future, known["sdmf"], known["sdmf read-only"], known["chk"]]
    pairs += [(write, read) for write in both for read in both]
    pairs.append((None, None))
    cases = []
    for write, read in pairs:
        for deep_immutable in (False, True):
            case = {"write": write, "read": read, "deepImmutable": deep_immutable}
            arguments = [bytes_or_none(write), bytes_or_none(read)]
            node = NODES.create_from_cap(*arguments, deep_immutable=deep_immutable, name="the name")
            cases.append({**case, "node": node_facts(node)})
    raw = []
    for write, read in [(None, None), *((w, r) for w in [None, *both[:3]] for r in [None, *both[:3]] if w or r)]:
        for deep_immutable in (False, True):
            node = UnknownNode(bytes_or_none(write), bytes_or_none(read), deep_immutable, "the name")
            raw.append({"write": write, "read": read, "deepImmutable": deep_immutable, "node": node_facts(node)})
    write_json(
        "dirnode/nodes.json",
        "The node that upstream's node maker makes of the caps of a child (cases) and that its"
        " UnknownNode is when made of them (unknown).",
        cases=cases,
        unknown=raw,
    )


# Metadata.
def record_metadata():
    old = {
        "none": None,
        "empty": {},
        "usual": {"tahoe": dict(SYSTEM)},
        "only linkcrtime": {"tahoe": {"linkcrtime": 5}},
        "only linkmotime": {"tahoe": {"linkmotime": 6}},
        "system of another kind": {"tahoe": {"future": 7, "linkcrtime": 8}},
        "empty system": {"tahoe": {}},
        "ctime": {"ctime": 9},
        "ctime and mtime": {"ctime": 10, "mtime": 11},
        "ctime and linkcrtime": {"ctime": 12, "tahoe": {"linkcrtime": 13}},
        "ctime and empty system": {"ctime": 14, "tahoe": {}},
        "ctime null": {"ctime": None},
        "user keys": {"a": 1, "b": {"c": 2}, "tahoe": dict(SYSTEM)},
    }
    new = {
        "none": None,
        "empty": {},
        "user keys": {"a": 3, "d": 4},
        "system": {"tahoe": {"linkcrtime": 1, "linkmotime": 2, "evil": 3}},
        "ctime": {"ctime": 15, "mtime": 16},
        "no write": {"no-write": True},
    }
    cases = []
    for old_name, before in old.items():
        for new_name, given_metadata in new.items():
            copies = [json.loads(json.dumps(one)) for one in (before, given_metadata)]
            result = update_metadata(*copies, NOW)
            cases.append({"name": f"{old_name} + {new_name}", "old": as_json(before), "new": as_json(given_metadata), "now": NOW, "result": as_json(result)})
    write_json(
        "dirnode/metadata.json",
        "What upstream's update_metadata makes of the old metadata of a link (JSON text, null where"
        " there was none), the new (null where none is given) and the time.",
        cases=cases,
    )


# Edits.
START = {
    "file": child(CHK, METADATA["usual"]),
    "mutable": child(ssk(b"m"), {"ctime": 3, "tahoe": {"linkmotime": 4}}),
    "directory": child(CAPS["directory"], {"note": "kept", "tahoe": SYSTEM}),
    "read-only directory": child(CAPS["directory read-only"], {"tahoe": SYSTEM}),
    "\u00c5": child(LIT, {}),
    "unknown": unknown("x-tahoe-future:write", "x-tahoe-future:read", {"odd": 1e16}),
}
OVERWRITE = {"true": True, "false": False, "only-files": ONLY_FILES}


def make_node(one):
    return NODES.create_from_cap(bytes_or_none(one["write"]), bytes_or_none(one["read"]))


def adder(node, entries, overwrite="true"):
    prepared = {name: (make_node(one), one["metadata"]) for name, one in entries.items()}
    return dirnode.Adder(node, prepared, OVERWRITE[overwrite], node._create_readonly_node)


def setter(node, name, metadata):
    return dirnode.MetadataSetter(node, name, metadata, node._create_readonly_node)


def without_metadata(cap):
    return {"write": cap_text(cap), "read": None, "metadata": None}


NEW_SSK = without_metadata(ssk(b"n"))
EDITS = [
    *(("add", {"entries": {name: NEW_SSK}, "overwrite": overwrite}) for overwrite in OVERWRITE for name in ["new", "file", "directory", "read-only directory", "unknown", "A\u030a"]),
    ("add", {"entries": {}, "overwrite": "true"}),
    ("add", {"entries": {"file": {**NEW_SSK, "metadata": {}}}, "overwrite": "true"}),
    ("add", {"entries": {"file": {**NEW_SSK, "metadata": {"new": 1, "tahoe": {"linkcrtime": 1}}}}, "overwrite": "true"}),
    ("add", {"entries": {"mutable": NEW_SSK}, "overwrite": "true"}),
    ("add", {"entries": {"closed": {**NEW_SSK, "metadata": {"no-write": True}}}, "overwrite": "true"}),
    ("add", {"entries": {"closed": {**without_metadata(CAPS["mdmf directory"]), "metadata": {"no-write": True}}}, "overwrite": "true"}),
    ("add", {"entries": {"closed": {**unknown("x-tahoe-future:w", "ro.x-tahoe-future:r"), "metadata": {"no-write": True}}}, "overwrite": "true"}),
    ("add", {"entries": {"closed": {**NEW_SSK, "metadata": {"no-write": False}}}, "overwrite": "true"}),
    ("add", {"entries": {"z": NEW_SSK, "a": without_metadata(CHK), "m": without_metadata(LIT)}, "overwrite": "true"}),
    ("add", {"entries": {"new": NEW_SSK, "file": NEW_SSK}, "overwrite": "false"}),
    ("add", {"entries": {"bad": unknown("x-tahoe-future:one", None)}, "overwrite": "true"}),
    ("add", {"entries": {"": NEW_SSK}, "overwrite": "true"}),
    *(("delete", {"name": name}) for name in ["file", "mutable", "directory", "unknown", "A\u030a", "missing", ""]),
    *(("delete", {"name": name, "mustBeDirectory": True}) for name in ["file", "mutable", "directory", "unknown", "missing"]),
    *(("delete", {"name": name, "mustBeFile": True}) for name in ["file", "mutable", "directory", "unknown", "missing"]),
    ("delete", {"name": "missing", "mustExist": False}),
    ("delete", {"name": "missing", "firstTime": False}),
    ("delete", {"name": "file", "firstTime": False}),
    *(("setMetadata", {"name": name, "metadata": {"note": "new"}}) for name in ["file", "mutable", "A\u030a", "unknown", "missing"]),
    ("setMetadata", {"name": "missing", "metadata": {}, "firstTime": False}),
    ("setMetadata", {"name": "directory", "metadata": {}}),
    ("setMetadata", {"name": "directory", "metadata": {"no-write": True}}),
    ("setMetadata", {"name": "mutable", "metadata": {"no-write": True}}),
    ("setMetadata", {"name": "file", "metadata": {"no-write": True}}),
    ("setMetadata", {"name": "unknown", "metadata": {"no-write": True}}),
    ("setMetadata", {"name": "file", "metadata": {"tahoe": {"linkcrtime": 1}, "ctime": 5}}),
]


def edit(kind, arguments):
    node = directory(DIRECTORY)
    first_time = arguments.get("firstTime", True)
    before = pack(START, False)
    if kind == "add":
        change = adder(node, arguments["entries"], arguments["overwrite"])
    elif kind == "setMetadata":
        change = setter(node, arguments["name"], arguments["metadata"])
    else:
        flags = (arguments.get("mustExist", True), arguments.get("mustBeDirectory", False), arguments.get("mustBeFile", False))
        change = dirnode.Deleter(node, arguments["name"], *flags)
    case = {"edit": kind, **arguments, "firstTime": first_time}
    if "entries" in case:
        case["entries"] = given(case["entries"])
    if "metadata" in case:
        case["metadata"] = as_json(case["metadata"])
    try:
        after = change.modify(before, None, first_time)
    except Exception as error:
        return {**case, "error": error_facts(error)}
    return {**case, "after": after}


def record_edits():
    dirnode.time.time = lambda: NOW
    write_json(
        "dirnode/edits.json",
        "Edits of one packed table (before) under the write key of tables.json at the time now: the"
        " table afterwards, null where nothing is to be written, or the error. firstTime is false when"
        " an edit is tried again after a collision. Metadata is JSON text, null where none is given.",
        now=NOW,
        before=pack(START, False),
        cases=[edit(kind, arguments) for kind, arguments in EDITS],
    )


# Statistics.
def record_stats():
    bounds = [int(10 ** (exponent / 2)) for exponent in range(31)]
    sizes = sorted({0, *(bound + step for bound in bounds for step in (-1, 0, 1))})
    cases = []
    for chosen in [[], sizes, [1] * 3, [12345, 12345, 99]]:
        stats = DeepStats(directory(DIRECTORY))
        for number, size in enumerate(chosen):
            cap = uri.CHKFileURI(stretch(b"%d" % number, 16), stretch(b"u", 32), 3, 10, size)
            stats.add_node(NODES.create_from_cap(cap.to_string()), ["file"])
        cases.append({"immutableSizes": chosen, "result": stats.get_results()})
    stats = DeepStats(directory(DIRECTORY))
    for name, cap in {**CAPS, **VERIFY}.items():
        stats.add_node(NODES.create_from_cap(cap.to_string()), [name])
    cases.append({"caps": [cap_text(cap) for cap in {**CAPS, **VERIFY}.values()], "result": stats.get_results()})
    write_json(
        "dirnode/stats.json",
        "The deep statistics of files of these sizes, or of the objects of these caps, each seen once"
        " and no directory entered.",
        cases=cases,
    )


# Stored directories.
STORED = {"empty": {}, "every kind": TABLES["every kind"], "a hundred children": TABLES["a hundred children"], "unknown children": TABLES["unknown children"]}
STORED_IMMUTABLE = {"every kind": IMMUTABLE_TABLES["every kind"], "unknown children": IMMUTABLE_TABLES["unknown children"]}


async def stored_mutable(version_name, version, number, name, table):
    key = number % 6
    grid = Grid(3, 10)
    maker = NodeMaker(grid.broker, SECRETS, None, None, None, grid.encoding, version, None)
    children = {child_name: (make_node(one), one["metadata"]) for child_name, one in table.items()}
    label = f"{version_name} {name}"
    salts.begin(label)
    node = await maker.create_new_mutable_directory(children, version=version, keypair=key_pair(key))
    found = await maker.create_from_cap(node.get_uri()).list()
    packed = await grid.node_of(node._node.get_cap()).download_best_version()
    return {
        "name": name,
        "format": version_name,
        "cap": cap_text(node.get_cap()),
        "key": key,
        "salts": list(salts.given),
        "packed": packed,
        "children": listing(found),
        "kept": keep(f"dirnode/shares/{label.replace(' ', '-')}.shares", grid.shares(), [0, 4, 9]),
    }


async def stored_immutable(name, table):
    packed = pack(table, True)
    cap, _, shares = await encode(packed, 3, 10, 128 * 1024, SECRETS.get_convergence_secret(), [0, 4, 9])
    cap = uri.ImmutableDirectoryURI(cap)
    return {
        "name": name,
        "format": "chk",
        "cap": cap_text(cap),
        "convergence": SECRETS.get_convergence_secret(),
        "packed": packed,
        "children": listing(directory(cap)._unpack_contents(packed)),
        "kept": keep(f"dirnode/shares/chk-{name.replace(' ', '-')}.shares", shares, [0, 4, 9]),
    }


def stored_literal(name, table):
    packed = pack(table, True)
    cap = uri.LiteralDirectoryURI(uri.LiteralFileURI(packed))
    return {
        "name": name,
        "format": "lit",
        "cap": cap_text(cap),
        "packed": packed,
        "children": listing(directory(cap)._unpack_contents(packed)),
    }


async def record_stored():
    cases = []
    for number, (name, table) in enumerate(STORED.items()):
        cases.append(await stored_mutable("sdmf", SDMF_VERSION, number, name, table))
        cases.append(await stored_mutable("mdmf", MDMF_VERSION, number + 3, name, table))
    for name, table in STORED_IMMUTABLE.items():
        cases.append(await stored_immutable(name, table))
    cases.append(stored_literal("empty", {}))
    cases.append(stored_literal("one child", {"a": child(uri.LiteralFileURI(b"hi"))}))
    write_json(
        "dirnode/stored.json",
        "Directories that upstream stored, 3 of 10 (LIT ones in their caps): the cap, what the file"
        " below holds (packed), what upstream lists in it, and three shares, one after the other in"
        " the kept file. key is a number in mutable/keys.json.",
        cases=cases,
    )


def record_known_tree():
    """The packed directory that upstream's test_dirnode.py carries."""
    source = Path(allmydata.__file__).parent / "test/test_dirnode.py"
    for found in ast.walk(ast.parse(source.read_bytes())):
        if not isinstance(found, ast.Assign) or not isinstance(found.value, ast.Constant):
            continue
        if getattr(found.targets[0], "id", "") == "known_tree":
            packed = b32decode(found.value.value)
    cap = uri.from_string("URI:DIR2-RO:b7sr5qsifnicca7cbk3rhrhbvq:mm6yoqjhl6ueh7iereldqxue4nene4wl7rqfjfybrqehdqmqskvq")
    write_json(
        "dirnode/known-tree.json",
        "A packed directory of 2009 from upstream's src/allmydata/test/test_dirnode.py and what"
        " upstream lists in it without its write key.",
        packed=packed,
        children=listing(directory(cap)._unpack_contents(packed)),
    )


def record_names():
    """What upstream's normalize does to names."""
    write_json(
        "dirnode/names.json",
        "Names and their normal form C, in which upstream keeps and looks for them; in the order in"
        " which it packs them.",
        unicode=unicodedata.unidata_version,
        cases=[{"name": name, "normalized": unicodedata.normalize("NFC", name)} for name in sorted(NAMES, key=lambda name: unicodedata.normalize("NFC", name))],
    )


async def main():
    record_tables()
    record_bad()
    record_nodes()
    record_metadata()
    record_edits()
    record_stats()
    record_names()
    record_known_tree()
    await record_stored()


react(lambda _reactor: ensureDeferred(main()))

"""Mutable files whose shares are damaged: what upstream's check, verify and repair say of them.

Upstream's checker, repairer and publisher run in this process, see check_grid.py.
"""

import json
import struct

import memory_grid
from check_grid import Grid, Outcomes, outcome, server_facts
from common import stretch, write_bytes, write_json
from memory_grid import COMMITTED, key_pair, salts
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from allmydata.interfaces import MDMF_VERSION
from allmydata.monitor import Monitor
from allmydata.mutable import publish
from allmydata.mutable.publish import MutableData
from allmydata.uri import from_string

TEN = range(10)
SDMF_FIELDS = {
    "version": (0, 1), "sequence number": (1, 8), "root hash": (9, 32), "IV": (41, 16),
    "required shares": (57, 1), "total shares": (58, 1), "segment size": (59, 8), "data length": (67, 8),
    "offset of the signature": (75, 4), "offset of the share hash chain": (79, 4),
    "offset of the block hash tree": (83, 4), "offset of the share data": (87, 4),
    "offset of the private key": (91, 8), "offset of the end": (99, 8),
}
MDMF_FIELDS = {
    "version": (0, 1), "sequence number": (1, 8), "root hash": (9, 32),
    "required shares": (41, 1), "total shares": (42, 1), "segment size": (43, 8), "data length": (51, 8),
    "offset of the private key": (59, 8), "offset of the share hash chain": (67, 8),
    "offset of the signature": (75, 8), "offset of the public key": (83, 8),
    "offset of the end of the public key": (91, 8), "offset of the share data": (99, 8),
    "offset of the block hash tree": (107, 8), "offset of the end of the block hash tree": (115, 8),
}


class File:
    def __init__(self, name, cap, versions):
        self.name = name
        self.cap = cap
        self.read_cap = from_string(cap).get_readonly().to_string()
        self.versions = versions

    def regions(self, data):
        """Where the parts of a share are: {name: (offset, end)}."""
        if self.name == "sdmf":
            signature, chain, tree, blocks, key, end = struct.unpack(">LLLLQQ", data[75:107])
            return {
                "public key": (107, signature), "signature": (signature, chain),
                "share hash chain": (chain, tree), "block hash tree": (tree, blocks),
                "share data": (blocks, key), "private key": (key, end),
            }
        key, chain, signature, public, end, blocks, tree, tree_end = struct.unpack(">8Q", data[59:123])
        return {
            "private key": (key, chain), "share hash chain": (chain, signature),
            "signature": (signature, public), "public key": (public, end),
            "share data": (blocks, tree), "block hash tree": (tree, tree_end),
        }


def caps_of(file):
    return {"cap": file.cap.decode(), "readCap": file.read_cap.decode()}


def flip(data, at, bit=1):
    return ("write", at, bytes([data[at] ^ bit]))


def field_damage(file, data):
    """Each field of the layout of one share, corrupted in one way after the other: [(what, damage)]."""
    found = [("nothing", None)]
    for name, (at, size) in (SDMF_FIELDS if file.name == "sdmf" else MDMF_FIELDS).items():
        found.append((f"last bit of the {name}", flip(data, at + size - 1)))
        if size > 1:
            found.append((f"first bit of the {name}", flip(data, at, 128)))
            found.append((f"{name} 0", ("write", at, bytes(size))))
    found += [
        ("an unknown version", ("write", 0, b"\x07")),
        ("the version of the other format", ("write", 0, b"\x01" if file.name == "sdmf" else b"\x00")),
    ]
    regions = file.regions(data)
    for what, (start, end) in regions.items():
        found += [
            (f"first byte of the {what}", flip(data, start)),
            (f"byte in the middle of the {what}", flip(data, (start + end) // 2)),
            (f"last byte of the {what}", flip(data, end - 1, 128)),
        ]
    chain, chain_end = regions["share hash chain"]
    for entry in range((chain_end - chain) // 34):
        at = chain + 34 * entry
        found.append((f"node number {entry} of the share hash chain", flip(data, at + 1)))
        found.append((f"node number {entry} of the share hash chain out of range", ("write", at, b"\xff\xff")))
        found.append((f"hash {entry} of the share hash chain", flip(data, at + 2)))
    tree, tree_end = regions["block hash tree"]
    for number in range((tree_end - tree) // 32):
        found.append((f"hash {number} of the block hash tree", flip(data, tree + 32 * number)))
    for what, (start, end) in regions.items():
        found.append((f"cut before the {what}", ("cut", start)))
        found.append((f"cut within the {what}", ("cut", (start + end) // 2)))
    found += [(f"cut to {place} bytes", ("cut", place)) for place in (0, 1, 8, 41, 60, 75, 107, 123)]
    found += [
        ("cut by one byte", ("cut", len(data) - 1)),
        ("a byte more at the end", ("append", b"\x00")),
    ]
    return [(what, damage) for what, damage in found if not damage or damage[0] != "cut" or damage[1] < len(data)]


def spread(version, servers, numbers=None):
    return [[server, number, version] for server, number in zip(servers, numbers or servers, strict=True)]


def case(file, name, shares, damage=(), **fields):
    fields = {key: list(value) if isinstance(value, range) else value for key, value in fields.items()}
    return {"file": file.name, "name": name, "shares": shares, "damage": [list(one) for one in damage], **fields}


def field_cases(file):
    number = 4
    data = file.versions["1"][number]
    for what, damage in field_damage(file, data):
        if damage and damage[0] == "write" and data[damage[1] :][: len(damage[2])] == damage[2]:
            continue
        yield case(file, what, spread("1", [0, 1, 2, 4]), [(number, number, *damage)] if damage else [])


def hurts_private_key(file, case):
    start, end = file.regions(file.versions["1"][4])["private key"]
    return any(
        kind == "cut" or (kind == "write" and start <= place < end)
        for _, _, kind, place, *_ in case["damage"]
    )


def grid_cases(file):
    first = file.versions["1"]

    def hurt(numbers, part="share data"):
        return [(n, n, *flip(first[n], file.regions(first[n])[part][0])) for n in numbers]

    yield case(file, "no shares at all", [])
    for count in (1, 2, 3, 7, 9, 10):
        yield case(file, f"{count} shares", spread("1", range(count)))
    yield case(file, "all shares on one server", [[0, number, "1"] for number in TEN])
    yield case(file, "five servers with two shares each", [[number % 5, number, "1"] for number in TEN])
    yield case(file, "every share on two servers", spread("1", TEN) + [[(n + 1) % 10, n, "1"] for n in TEN])
    yield case(file, "one share on every server", [[server, 6, "1"] for server in TEN])
    yield case(file, "three corrupt", spread("1", TEN), hurt([0, 5, 9]))
    yield case(file, "seven corrupt", spread("1", TEN), hurt(range(7)))
    yield case(file, "eight corrupt", spread("1", TEN), hurt(range(8)))
    yield case(file, "all corrupt", spread("1", TEN), hurt(TEN))
    yield case(file, "bad signatures everywhere", spread("1", TEN), hurt(TEN, "signature"))
    yield case(file, "one corrupt, one missing", spread("1", range(9)), hurt([2]))
    yield case(file, "share 2 in the place of share 5", [*spread("1", [0, 1, 3, 4, 6]), [5, 5, "1", 2]])
    yield case(file, "an old share left behind", spread("2", range(9)) + spread("1", [9]))
    yield case(file, "an old share beside all new ones", [*spread("2", TEN), [3, 4, "1"]])
    yield case(file, "two old shares left behind", spread("2", range(8)) + spread("1", [8, 9]))
    yield case(file, "two versions, both recoverable", spread("1", range(5)) + spread("2", range(5, 10)))
    yield case(file, "one newer share", spread("1", range(9)) + spread("2", [9]))
    yield case(file, "two newer shares beside all old ones", [*spread("1", TEN), [3, 4, "2"], [6, 5, "2"]])
    yield case(file, "two shares of each version", spread("1", [0, 1]) + spread("2", [2, 3]))
    yield case(file, "three servers stopped", spread("1", TEN), failing=[1, 4, 8])
    yield case(file, "eight servers stopped", spread("1", TEN), failing=range(8))
    yield case(file, "all servers stopped", spread("1", TEN), failing=TEN)
    yield case(file, "servers without shares stopped", spread("1", range(5)), failing=[7, 9])
    yield case(file, "a server that stops once it has listed its shares", spread("1", TEN), dying=[2])
    if "3a" in file.versions:
        yield case(file, "two versions of one number", spread("3a", range(5)) + spread("3b", range(5, 10)))
        yield case(file, "one share of a rival", spread("3a", range(9)) + spread("3b", [9]))
        yield case(file, "three versions", spread("1", range(3)) + spread("2", range(3, 6)) + spread("3a", range(6, 10)))


REPAIRED = [
    "10 shares", "9 shares", "7 shares", "3 shares", "2 shares", "no shares at all", "all shares on one server",
    "three corrupt", "seven corrupt", "eight corrupt",
    "one corrupt, one missing", "an old share left behind", "an old share beside all new ones",
    "two versions, both recoverable", "one newer share", "two newer shares beside all old ones",
    "two shares of each version", "two versions of one number", "one share of a rival", "three versions",
    "three servers stopped",
]


async def run(case, files, outcomes):
    file = files[case["file"]]

    def share_of(number, version, other=None):
        return file.versions[version][number if other is None else other]

    def fresh(cap):
        grid = Grid()
        grid.place(case, share_of)
        salts.begin(case["name"])
        return grid, grid.node_of(cap)

    for name, cap, verify in [
        ("check", file.cap, False), ("verify", file.cap, True), ("verifyReading", file.read_cap, True),
    ]:
        # Upstream looks at private keys until it has met a good one, in the order of a set.
        if name == "verify" and hurts_private_key(file, case):
            continue
        grid, node = fresh(cap)
        case[name] = outcomes.number(await outcome(node.check(Monitor(), verify=verify), grid.told))
    if case["name"] not in REPAIRED:
        return
    grid, node = fresh(file.cap)
    told = await outcome(node.check_and_repair(Monitor(), verify=True), grid.told_of_repair)
    if "error" not in told:
        for stage in ("pre-repair-results", "post-repair-results"):
            # Where new shares go, and whom upstream asks before it repairs, is its own affair.
            for key in ("sharemap", "count-happiness", "count-good-share-hosts", "servers-responding"):
                del told[stage]["results"][key]
            if stage.startswith("post"):
                del told[stage]["report"]
            told[stage] = outcomes.number(told[stage])
    case["repairAfterVerify"] = told


async def make_mdmf():
    """Two versions of a file of several segments."""
    publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE = 1000
    grid = memory_grid.Grid(3, 10)
    node = grid.new_node()
    versions = {}
    for version, size in [("1", 3500), ("2", 3600)]:
        data = MutableData(stretch(b"version %s. " % version.encode(), size))
        salts.begin(f"checked {version}")
        if version == "1":
            await node.create_with_keys(key_pair(5), data, MDMF_VERSION)
        else:
            await node.overwrite(data)
        versions[version] = grid.shares()
    return File("mdmf", node.get_uri(), versions)


def read_sdmf():
    """The versions of the file whose servermaps are recorded."""
    recorded = json.loads((COMMITTED / "mutable/servermap.json").read_text())
    packed = (COMMITTED / "mutable/servermap.shares").read_bytes()
    versions = {}
    for name in ("1", "2", "3a", "3b"):
        place = recorded["versions"][name]
        starts = [place["offset"] + number * place["size"] for number in range(place["count"])]
        versions[name] = {number: packed[at : at + place["size"]] for number, at in enumerate(starts)}
    return File("sdmf", recorded["cap"].encode(), versions), {
        name: {"file": "mutable/servermap.shares", **recorded["versions"][name]} for name in versions
    }


async def main(_reactor):
    mdmf = await make_mdmf()
    sdmf, sdmf_places = read_sdmf()
    packed, places = b"", {}
    for name, shares in mdmf.versions.items():
        places[name] = {"file": "check/mdmf.shares", "offset": len(packed), "size": len(shares[0]), "count": 10}
        packed += b"".join(shares[number] for number in TEN)
    write_bytes("check/mdmf.shares", packed)
    files = {"sdmf": sdmf, "mdmf": mdmf}
    cases = [one for file in files.values() for cases in (field_cases, grid_cases) for one in cases(file)]
    outcomes = Outcomes()
    for one in cases:
        await run(one, files, outcomes)
    write_json(
        "check/mutable.json",
        "What upstream's checker says of mutable files on ten servers, and what comes of its repairs. Servers "
        "are numbered in the order of the file. 'versions' says where the ten shares of each version of a file "
        "stand, one after the other. In a case, 'shares' are [server, share number, version], and then the "
        "share number that it is taken from where that is another; 'damage', 'failing' and 'dying' are as in "
        "chk.json. 'check' and 'verify' (with the write cap) and 'verifyReading' (with the read cap) number the "
        "'outcomes', which are what the web API says (t=check, output=JSON) with servers by number, and the "
        "report, in which a server has its 'name' and reasons are left out; or the error that upstream ends "
        "with. There is no 'verify' of damaged private keys: upstream finds them by chance. Lists whose order changes "
        "from one run of upstream to the next are in rising order. A repair, after a verification, "
        "numbers the outcomes before and after, which lack what depends on where shares are put, and the report "
        "after it; its new version has the next sequence number.",
        servers=[server_facts(number) for number in TEN],
        files={
            "sdmf": {**caps_of(sdmf), "versions": sdmf_places},
            "mdmf": {**caps_of(mdmf), "versions": places},
        },
        outcomes=outcomes.all,
        cases=cases,
    )


react(lambda reactor: ensureDeferred(main(reactor)))

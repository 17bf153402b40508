"""Immutable files whose shares are damaged: what upstream's check, verify and repair say of them.

Upstream's checker, repairer and uploader run in this process, see check_grid.py.
"""

import struct

from check_grid import Grid, Outcomes, outcome, server_facts
from common import stretch, write_json
from memory_grid import COMMITTED, encode
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from allmydata import uri
from allmydata.immutable import layout
from allmydata.monitor import Monitor

# Those of chk/shares whose shares are all kept: (k, n, segment size, size, layout version).
FILES = {
    "segments": (3, 10, 1000, 9999, 1),
    "segments-v2": (3, 10, 1000, 9999, 2),
    "small": (3, 10, 1000, 56, 1),
    "single": (1, 1, 1000, 2001, 1),
}
FIELDS = ["data", "plaintext_hash_tree", "crypttext_hash_tree", "block_hashes", "share_hashes", "uri_extension"]


class File:
    def __init__(self, name, cap, shares, extension):
        self.name = name
        self.cap = cap
        self.verify_cap = cap.get_verify_cap()
        self.shares = shares
        self.extension = extension

    def width(self):
        return 4 if self.shares[0][3] == 1 else 8

    def field(self, name):
        """Where the header says it: (offset, what it says)."""
        width = self.width()
        at = 4 + width * (["block_size", "data_size"] + FIELDS).index(name)
        return at, int.from_bytes(self.shares[0][at : at + width], "big")

    def says(self, name, value):
        return ("write", self.field(name)[0], value.to_bytes(self.width(), "big"))

    def flip(self, number, at, bit=1):
        return ("write", at, bytes([self.shares[number][at] ^ bit]))


async def make_file(name, k, n, segment_size, size, version):
    seed = b"%d of %d shares, segments of %d bytes. " % (k, n, segment_size)
    layout.FORCE_V2 = version == 2
    cap, encoder, shares = await encode(stretch(seed, size), k, n, segment_size, b"a" * 16, range(n))
    layout.FORCE_V2 = False
    kept = f"chk/shares/{k}-{n}-{segment_size}-{size}-v{version}.shares"
    assert (COMMITTED / kept).read_bytes() == b"".join(shares[number] for number in range(n))
    file = File(name, cap, shares, uri.pack_extension(encoder.get_uri_extension_data()))
    caps = {"cap": cap.to_string().decode(), "verifyCap": file.verify_cap.to_string().decode()}
    return file, {**caps, "shares": kept}


def field_damage(file, number):
    """Each field of the layout of one share, corrupted in one way after the other: [(what, damage)]."""
    share = file.shares[number]
    width = file.width()
    _, data = file.field("data")
    _, plain = file.field("plaintext_hash_tree")
    _, crypt = file.field("crypttext_hash_tree")
    _, blocks = file.field("block_hashes")
    _, chain = file.field("share_hashes")
    _, extension = file.field("uri_extension")
    found = [
        ("nothing", None),
        ("version 0", ("write", 0, bytes(4))),
        ("version 3", ("write", 0, struct.pack(">L", 3))),
        ("the other known version", ("write", 0, struct.pack(">L", 2 if width == 4 else 1))),
        ("version with its highest bit", file.flip(number, 0, 128)),
        ("block size", file.flip(number, 4 + width - 1)),
        ("data size", file.flip(number, 4 + 2 * width - 1)),
    ]
    for name in FIELDS:
        _, value = file.field(name)
        found += [
            (f"offset of {name} plus 1", file.says(name, value + 1)),
            (f"offset of {name} less 1", file.says(name, value - 1)),
            (f"offset of {name} 0", file.says(name, 0)),
            (f"offset of {name} at the end of the share", file.says(name, len(share))),
            (f"offset of {name} far beyond the share", file.says(name, (1 << 8 * width) - 1)),
        ]
    for what, start, end in [
        ("block data", data, plain),
        ("plaintext hash tree", plain, crypt),
        ("crypttext hash tree", crypt, blocks),
        ("block hash tree", blocks, chain),
        ("share hash chain", chain, extension),
        ("length of the URI extension", extension, extension + width),
        ("URI extension", extension + width, len(share)),
    ]:
        found += [
            (f"first byte of the {what}", file.flip(number, start)),
            (f"last byte of the {what}", file.flip(number, end - 1, 128)),
        ]
        if end - start > 2:
            found.append((f"byte in the middle of the {what}", file.flip(number, (start + end) // 2)))
        if what.endswith("tree") and end - start > 32:
            found.append((f"second hash of the {what}", file.flip(number, start + 32)))
            found.append((f"third hash of the {what}", file.flip(number, start + 64)))
    for entry in range((extension - chain) // 34):
        at = chain + 34 * entry
        found.append((f"node number {entry} of the share hash chain", file.flip(number, at + 1)))
        found.append((f"node number {entry} of the share hash chain out of range", ("write", at, b"\xff\xff")))
        found.append((f"hash {entry} of the share hash chain", file.flip(number, at + 2)))
    length = len(share) - extension - width
    found += [
        (f"length of the URI extension {what}", ("write", extension, value.to_bytes(width, "big")))
        for what, value in [
            ("0", 0), ("1", 1), ("too short by 1", length - 1), ("too long by 1", length + 1),
            ("1999", 1999), ("2000", 2000), ("of all bits", (1 << 8 * width) - 1),
        ]
    ]
    for place in [0, 1, 3, 4, 0x23, 0x24, 0x43, 0x44, data + 1, plain, crypt, blocks, chain, extension]:
        found.append((f"cut to {place} bytes", ("cut", place)))
    found += [
        ("cut within the crypttext hash tree", ("cut", crypt + 33)),
        ("cut within the block hash tree", ("cut", blocks + 33)),
        ("cut within the share hash chain", ("cut", chain + 35)),
        ("cut within the length of the URI extension", ("cut", extension + 2)),
        ("cut before the URI extension", ("cut", extension + width)),
        ("cut by one byte", ("cut", len(share) - 1)),
        ("a byte more at the end", ("append", b"\x00")),
    ]
    return found


def each(servers, numbers=None):
    return [[server, number] for server, number in zip(servers, numbers or servers, strict=True)]


def case(file, name, shares, damage=(), **fields):
    return {"file": file.name, "name": name, "shares": shares, "damage": [list(one) for one in damage], **fields}


def field_cases(file):
    number = 0 if file.name == "single" else 4
    for what, damage in field_damage(file, number):
        if damage and damage[0] == "write" and file.shares[number][damage[1] :][: len(damage[2])] == damage[2]:
            continue
        if damage and damage[0] == "cut" and damage[1] >= len(file.shares[number]):
            continue
        hurt = [(number, number, *damage)] if damage else []
        yield case(file, what, each([0] if file.name == "single" else [0, 1, 2, 4]), hurt)


def grid_cases(file, other):
    """Shares that are not there, or elsewhere."""
    ten = range(10)
    data = file.field("data")[1]
    def hurt(numbers, at=data):
        return [(number, number, *file.flip(number, at)) for number in numbers]

    yield case(file, "no shares at all", [])
    for count in (1, 2, 3, 4, 7, 9):
        yield case(file, f"{count} shares", each(range(count)))
    yield case(file, "the last three shares", each([7, 8, 9]))
    yield case(file, "all shares on one server", [[0, number] for number in ten])
    yield case(file, "all shares on two servers", [[number % 2, number] for number in ten])
    yield case(file, "five servers with two shares each", [[number % 5, number] for number in ten])
    yield case(file, "every share on two servers", each(ten) + [[(number + 1) % 10, number] for number in ten])
    yield case(file, "every share on each server", [[server, number] for server in ten for number in ten])
    yield case(file, "one share on every server", [[server, 6] for server in ten])
    yield case(file, "one corrupt copy beside a good one", each(ten) + [[3, 4]], hurt([4]))
    yield case(file, "all copies of one share corrupt", each(ten) + [[3, 4]], [*hurt([4]), (3, 4, *file.flip(4, data))])
    yield case(file, "three corrupt", each(ten), hurt([0, 5, 9]))
    yield case(file, "seven corrupt", each(ten), hurt(range(7)))
    yield case(file, "eight corrupt", each(ten), hurt(range(8)))
    yield case(file, "all corrupt", each(ten), hurt(ten))
    yield case(file, "all of an unknown version", each(ten), [(n, n, "write", 0, b"\0\0\0\x07") for n in ten])
    yield case(
        file, "corrupt, incompatible, cut and missing", each(range(9)),
        [*hurt([0]), (1, 1, "write", 0, b"\0\0\0\x07"), (2, 2, "cut", file.field("share_hashes")[1])],
    )
    yield case(file, "share 2 in the place of share 5", [*each([0, 1, 3, 4, 6]), [5, 5, file.name, 2]])
    plain = file.field("plaintext_hash_tree")[1]
    blocks, chain = file.field("block_hashes")[1], file.field("share_hashes")[1]
    of_another = [
        (5, 5, "write", start, file.shares[2][start:end]) for start, end in [(data, plain), (blocks, chain)]
    ]
    yield case(file, "blocks and block hash tree of share 2 in share 5", each([0, 1, 3, 4, 5]), of_another)
    yield case(file, "a share of another file", [*each([0, 1, 3, 4, 6]), [5, 5, other.name, 5]])
    yield case(file, "three servers stopped", each(ten), failing=[1, 4, 8])
    yield case(file, "eight servers stopped", each(ten), failing=range(8))
    yield case(file, "all servers stopped", each(ten), failing=ten)
    yield case(file, "servers without shares stopped", each(range(5)), failing=[7, 9])
    yield case(file, "a server that stops once it has listed its shares", each(ten), dying=[2])
    yield case(file, "as many stop as can be missed", each(ten), dying=range(7))
    yield case(file, "one stopped, one stops, one is corrupt", each(ten), hurt([6]), failing=[1], dying=[2])


REPAIRED = [
    "nothing", "3 shares", "7 shares", "9 shares", "the last three shares", "2 shares", "no shares at all",
    "all shares on one server", "five servers with two shares each", "three corrupt", "seven corrupt",
    "eight corrupt", "three servers stopped", "one corrupt copy beside a good one", "one share on every server",
    "first byte of the share hash chain", "first byte of the URI extension", "version 3",
    "corrupt, incompatible, cut and missing", "share 2 in the place of share 5", "length of the URI extension 2000", "a share of another file",
]


def as_case(case):
    return {key: list(value) if isinstance(value, range) else value for key, value in case.items()}


async def run(case, files, outcomes):
    file = files[case["file"]]

    def share_of(number, source=case["file"], other=None):
        return files[source].shares[number if other is None else other]

    def fresh():
        grid = Grid()
        grid.place(case, share_of)
        return grid, grid.node_of(file.verify_cap.to_string())

    for verify in (False, True):
        grid, node = fresh()
        checked = node.check(Monitor(), verify=verify)
        case["verify" if verify else "check"] = outcomes.number(await outcome(checked, grid.told))
        if case["name"] not in REPAIRED or case["file"] in ("segments-v2", "small"):
            continue
        grid, node = fresh()
        before = grid.shares()
        repaired = node.check_and_repair(Monitor(), verify=verify)
        told = await outcome(repaired, grid.told_of_repair)
        for place, data in grid.shares().items():
            assert data == before.get(place, file.shares[place[1]])
        if "error" not in told:
            # Where the new shares are is decided by the order of a set.
            del told["post-repair-results"]["results"]["sharemap"]
        for stage in ("pre-repair-results", "post-repair-results"):
            if stage in told:
                told[stage] = outcomes.number(told[stage])
        case["repairAfterVerify" if verify else "repairAfterCheck"] = told


async def main(_reactor):
    files, facts = {}, {}
    for name, parameters in FILES.items():
        files[name], facts[name] = await make_file(name, *parameters)
    cases = [as_case(one) for file in files.values() for one in field_cases(file)]
    cases += [as_case(one) for one in grid_cases(files["segments"], files["small"])]
    outcomes = Outcomes()
    for one in cases:
        await run(one, files, outcomes)
    write_json(
        "check/chk.json",
        "What upstream's checker says of an immutable file on ten servers, and what comes of its repairs. Servers "
        "are numbered in the order of the file. In a case, 'shares' are [server, share number], and then the "
        "file and the share number that it is taken from where they are others (the shares of a file stand one "
        "after the other in its 'shares' file, all of one size); 'damage' is done to them in this order: "
        "[server, share number, 'write', offset, bytes], [.., 'cut', length] or [.., 'append', bytes]. "
        "'failing' servers answer nothing; 'dying' ones say which shares they have, and then nothing. "
        "'check' and 'verify' number the 'outcomes', which are what the web API says (t=check, output=JSON) "
        "with servers by number, and the report and the incompatible shares; or the error that upstream ends "
        "with. A repair numbers the outcomes before and after; the one after it lacks the sharemap.",
        servers=[server_facts(number) for number in range(10)],
        files=facts,
        outcomes=outcomes.all,
        cases=cases,
    )


react(lambda reactor: ensureDeferred(main(reactor)))

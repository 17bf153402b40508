"""Immutable files: caps, shares and their hashes, all made by upstream's own uploader.

Its encoder runs in this process and its shares go to memory, so no grid is needed.
"""

import ast
from pathlib import Path

import allmydata
from common import stretch, write_bytes, write_json
from memory_grid import digest, encode
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import react

from allmydata import uri
from allmydata.hashtree import HashTree
from allmydata.immutable import layout
from allmydata.interfaces import DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE
from allmydata.storage.immutable import ShareFile
from allmydata.util import base32

KIB = 1024
MIB = 1024 * KIB
PARAMS = [(1, 1), (1, 3), (2, 3), (3, 10), (71, 255), (101, 256)]


CONVERGENCE = [b"a" * 16, digest(b"Hello world")[:16]]
# The (seed, length) samples of upstream's published set, whose segment size is 128 KiB.
SAMPLES = [
    (b"a", 56),
    (b"a", 1024),
    (b"c", 4096),
    (digest(b"foo"), 128 * KIB - 1),
    (digest(b"bar"), 128 * KIB + 1),
    (digest(b"baz"), 2 * MIB - 1),
    (digest(b"quux"), 2 * MIB + 1),
    (digest(b"bazquux"), 4 * MIB),
    (digest(b"foobar"), 8 * MIB - 1),
    (digest(b"barbaz"), 8 * MIB + 1),
]
# SHA-256 of the 120 CHK caps of upstream's integration/vectors/test_vectors.yaml (2023-01-16.2), in
# the order of the loops below, each followed by a line feed.
PUBLISHED = "13cbd1126b54bd62a49953abd43b78b6646d63563dfe751ef09e442cb619dfca"

# The decode path: (segment size, sizes), for each of PARAMS.
SHARE_SIZES = [
    (16, [56, 57, 64, 65]),
    (1000, [56, 999, 1000, 1001, 1999, 2000, 2001, 9999]),
    (128 * KIB, [56, 1024, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 256 * KIB, 256 * KIB + 1, 8 * MIB + 1]),
    (MIB, [56, 128 * KIB + 1, MIB - 1, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 8 * MIB + 1]),
]
# The cases whose share bytes are kept too: (k, n, segment size, size, layout version): share numbers.
KEPT = {
    (1, 1, 16, 56, 1): [0],
    (1, 1, 1000, 2001, 1): [0],
    (1, 3, 16, 57, 1): [0, 1, 2],
    (1, 3, 1000, 1000, 1): [0, 1, 2],
    (2, 3, 16, 65, 1): [0, 1, 2],
    (2, 3, 1000, 1999, 1): [0, 1, 2],
    (3, 10, 16, 57, 1): list(range(10)),
    (3, 10, 1000, 56, 1): list(range(10)),
    (3, 10, 1000, 9999, 1): list(range(10)),
    (3, 10, 1000, 9999, 2): list(range(10)),
    (3, 10, 128 * KIB, 256 * KIB + 1, 1): [0, 4, 9],
    (3, 10, MIB, MIB + 1, 1): [1, 3, 7],
    (71, 255, 1000, 2001, 1): list(range(41, 41 + 71)),
    (101, 256, 1000, 2000, 1): list(range(155, 256)),
}


@inlineCallbacks
def record_caps():
    cases = []
    for segment_size in [128 * KIB, DEFAULT_IMMUTABLE_MAX_SEGMENT_SIZE]:
        for k, n in PARAMS:
            for convergence in CONVERGENCE:
                for seed, length in SAMPLES:
                    data = stretch(seed, length)
                    cap, _, _ = yield encode(data, k, n, segment_size, convergence)
                    cases.append(
                        {
                            "required": k,
                            "total": n,
                            "segmentSize": segment_size,
                            "convergence": convergence,
                            "seed": seed,
                            "length": length,
                            "cap": cap.to_string().decode("ascii"),
                        }
                    )
    lines = "".join(case["cap"] + "\n" for case in cases if case["segmentSize"] == 128 * KIB)
    assert digest(lines.encode("ascii")).hex() == PUBLISHED, "not the caps upstream published"
    write_json(
        "chk/caps.json",
        "The cap of a plaintext: seed repeated to length, convergent key, segmentSize at most."
        " The cases of 131072 are the 120 CHK cases that upstream publishes; those of 1048576 are"
        " the same with upstream's default.",
        cases=cases,
    )


@inlineCallbacks
def share_case(k, n, segment_size, size, version):
    seed = b"%d of %d shares, segments of %d bytes. " % (k, n, segment_size)
    data = stretch(seed, size)
    layout.FORCE_V2 = version == 2
    cap, encoder, shares = yield encode(data, k, n, segment_size, CONVERGENCE[0], range(n))
    layout.FORCE_V2 = False
    case = {
        "required": k,
        "total": n,
        "segmentSize": segment_size,
        "size": size,
        "layoutVersion": version,
        "convergence": CONVERGENCE[0],
        "seed": seed,
        "plaintextHash": digest(data),
        "cap": cap.to_string().decode("ascii"),
        "storageIndex": base32.b2a(cap.get_storage_index()).decode("ascii"),
        "uriExtension": uri.pack_extension(encoder.get_uri_extension_data()),
        "shareSize": len(shares[0]),
        "sharesHash": digest(b"".join(digest(shares[number]) for number in range(n))),
        "shareHashes": [digest(shares[number])[:8] for number in range(n)],
    }
    kept = KEPT.get((k, n, segment_size, size, version))
    if kept:
        name = f"chk/shares/{k}-{n}-{segment_size}-{size}-v{version}.shares"
        write_bytes(name, b"".join(shares[number] for number in kept))
        case["kept"] = {"file": name, "shareNumbers": kept}
    return case


@inlineCallbacks
def record_shares():
    cases = []
    for segment_size, sizes in SHARE_SIZES:
        for k, n in PARAMS:
            for size in sizes:
                cases.append((yield share_case(k, n, segment_size, size, 1)))
    for k, n in PARAMS:
        cases.append((yield share_case(k, n, 1000, 9999, 2)))
    write_json(
        "chk/shares.json",
        "The shares of a plaintext (seed repeated to size): shareHashes are the first 8 bytes of"
        " the SHA-256 of each share's data, 0 to total - 1; sharesHash is the SHA-256 of all those"
        " SHA-256 (whole) joined. A kept file holds the named shares' data one after the other,"
        " shareSize bytes each.",
        cases=cases,
    )


def record_chain_order():
    """Upstream writes a share's hash chain in the order in which a Python set of ints iterates."""
    cases = []
    for n in [1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 32, 33, 64, 65, 100, 128, 129, 255, 256]:
        tree = HashTree([b""] * n)
        chains = [list(tree.needed_hashes(number, include_leaf=True)) for number in range(n)]
        cases.append({"total": n, "chains": chains})
    write_json(
        "chk/share-hash-order.json",
        "The node numbers of the share hash chain of each share, in the order in which they stand"
        " in the share.",
        cases=cases,
    )


def record_old_shares():
    """The shares that upstream's test_download.py carries, made by its release 1.2.0."""
    source = Path(allmydata.__file__).parent / "test/test_download.py"
    values = {"plaintext": None, "immutable_uri": None, "immutable_shares": None}
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in values:
            code = compile(ast.Expression(node.value), str(source), "eval")
            values[node.targets[0].id] = eval(code, {"base32": base32})
    files = {}
    for by_number in values["immutable_shares"].values():
        files.update(by_number)
    write_json(
        "chk/old-shares.json",
        "A file stored by upstream 1.2.0, from its src/allmydata/test/test_download.py. container is"
        " the whole file on the server's disk, data the share in it.",
        cap=values["immutable_uri"].decode("ascii"),
        plaintext=values["plaintext"],
        shares=[
            {"shareNumber": number, "container": files[number], "data": share_data(files[number])}
            for number in sorted(files)
        ],
    )


def share_data(container):
    path = Path("old-share.tmp")
    path.write_bytes(container)
    try:
        return ShareFile(str(path)).read_share_data(0, len(container))
    finally:
        path.unlink()


@inlineCallbacks
def main(_reactor):
    record_chain_order()
    record_old_shares()
    yield record_shares()
    yield record_caps()


react(main)

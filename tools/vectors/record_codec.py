"""The erasure code: what zfec answers. Every value comes from zfec; nothing here knows the code."""

import hashlib
import random

import zfec
from common import write_json

# (k, n, block sizes): extremes, Tahoe's usual encodings, and sizes around the vectors of SIMD code.
ENCODINGS = [
    (1, 1, [1, 33]),
    (1, 2, [5]),
    (1, 3, [1, 100]),
    (1, 256, [3]),
    (2, 3, [7, 64]),
    (2, 256, [17]),
    (3, 10, [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 1000, 4097, 43691]),
    (4, 5, [19]),
    (7, 10, [129]),
    (8, 8, [10]),
    (25, 100, [257]),
    (71, 255, [1847, 65]),
    (101, 256, [1298, 31]),
    (128, 256, [513]),
    (200, 201, [40]),
    (255, 256, [80]),
    (256, 256, [4]),
]

# Blocks of at most this many bytes in all are recorded in full, others by their hash.
FULL_MAX = 256


def input_block(seed, index, size):
    """The first `size` bytes of SHA-256("seed:index:0") SHA-256("seed:index:1") ..."""
    out = b""
    counter = 0
    while len(out) < size:
        out += hashlib.sha256(b"%s:%d:%d" % (seed.encode(), index, counter)).digest()
        counter += 1
    return out[:size]


def recorded(blocks):
    joined = b"".join(blocks)
    entry = {"sha256": hashlib.sha256(joined).hexdigest()}
    if len(joined) <= FULL_MAX:
        entry["blocks"] = blocks
    return entry


def unit_blocks(k):
    """Block j is 1 at byte j and 0 elsewhere, so that check blocks are rows of the matrix."""
    return [bytes(1 if i == j else 0 for i in range(k)) for j in range(k)]


def matrices():
    for k, n, _ in ENCODINGS:
        rows = zfec.Encoder(k, n).encode(unit_blocks(k))[k:]
        yield {"k": k, "n": n, **recorded(rows)}


def encodings():
    for k, n, sizes in ENCODINGS:
        for size in sizes:
            seed = "encode-%d-%d-%d" % (k, n, size)
            blocks = [input_block(seed, j, size) for j in range(k)]
            checks = zfec.Encoder(k, n).encode(blocks)[k:]
            yield {"k": k, "n": n, "blockSize": size, "seed": seed, **recorded(checks)}


def decodings():
    rng = random.Random(1)
    for k, n, sizes in ENCODINGS:
        seed = "decode-%d-%d" % (k, n)
        blocks = [input_block(seed, j, sizes[0]) for j in range(k)]
        shares = zfec.Encoder(k, n).encode(blocks)
        choices = [list(range(n - k, n)), list(range(n))[::-1][:k]]
        choices += [rng.sample(range(n), k) for _ in range(3)]
        for numbers in choices:
            given = [shares[number] for number in numbers]
            # zfec reorders the lists that it is given.
            rebuilt = zfec.Decoder(k, n).decode(list(given), list(numbers))
            yield {
                "k": k,
                "n": n,
                "blockSize": sizes[0],
                "seed": seed,
                "shareNumbers": numbers,
                "givenSha256": hashlib.sha256(b"".join(given)).hexdigest(),
                "sha256": hashlib.sha256(b"".join(rebuilt)).hexdigest(),
            }


write_json(
    "codec/zfec.json",
    "Blocks of zfec. Input block j of a seed is the first blockSize bytes of SHA-256('seed:j:0') || "
    "SHA-256('seed:j:1') || ... A sha256 is that of blocks joined in order. matrices: the check blocks "
    "of k unit blocks of k bytes (block j is 1 at byte j), which are rows k to n-1 of the matrix. "
    "encode: check blocks k to n-1. decode: the input blocks, rebuilt from the blocks of shareNumbers.",
    matrices=list(matrices()),
    encode=list(encodings()),
    decode=list(decodings()),
)

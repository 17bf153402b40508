"""The layouts of mutable shares at their limits, made by upstream's slot writers.

The parts are no real keys and hashes, but of the sizes that are asked for: a slot writer looks at
nothing else. Its server is a few lines that put what it sends into a byte string.
"""

import hashlib

from common import stretch, write_json
from twisted.internet.defer import succeed

from allmydata.hashtree import HashTree
from allmydata.mutable.layout import MDMFSlotWriteProxy, SDMFSlotWriteProxy
from allmydata.util import mathutil

WRITERS = {"sdmf": SDMFSlotWriteProxy, "mdmf": MDMFSlotWriteProxy}
# The bytes that RSA-2048 gives: the verifying key, the signature, the encrypted signing key.
KEY_SIZES = (294, 256, 1218)
# (k, N, share number, data length, segment size of MDMF, sequence number, sizes of the keys)
CASES = [
    (1, 1, 0, 0, 1000, 1, KEY_SIZES),
    (1, 1, 0, 1, 1000, 1, KEY_SIZES),
    (1, 1, 0, 2001, 1000, 2**53 - 1, KEY_SIZES),
    (1, 2, 1, 100, 1, 2, KEY_SIZES),
    (2, 3, 2, 1999, 1000, 3, (294, 256, 1216)),
    (3, 10, 0, 0, 131073, 1, KEY_SIZES),
    (3, 10, 9, 36, 131073, 1, KEY_SIZES),
    (3, 10, 5, 131073, 131073, 2**32, KEY_SIZES),
    (3, 10, 5, 131074, 131073, 2**32 + 1, KEY_SIZES),
    (3, 10, 5, 400000, 131073, 0, (290, 250, 1200)),
    (3, 10, 7, 9998, 3, 1, (1, 1, 1)),
    (71, 255, 254, 5000, 710, 1, (294, 256, 1220)),
    (255, 255, 0, 5000, 510, 1, KEY_SIZES),
    (255, 255, 254, 1, 255, 1, KEY_SIZES),
    (1, 129, 128, 10, 10, 1, KEY_SIZES),
    # No room for these between the header and the blocks, or no room for N in its byte.
    (3, 10, 0, 36, 131073, 1, (1, 1, 1907)),
    (3, 10, 0, 36, 131073, 1, (1, 1, 1906)),
    (1, 256, 0, 36, 131072, 1, KEY_SIZES),
]


class Slot:
    """A storage server with one share, and what it was asked to do."""

    def __init__(self):
        self.share = bytearray()
        self.requests = []

    def slot_testv_and_readv_and_writev(self, storage_index, secrets, vectors, read):
        (share_number, (tests, writes, new_length)), = vectors.items()
        for offset, data in writes:
            self.share.extend(bytes(max(0, offset + len(data) - len(self.share))))
            self.share[offset : offset + len(data)] = data
        self.requests.append({"tests": tests, "newLength": new_length, "read": read})
        return succeed((True, {}))


def make(name, k, n, number, length, segment_size, sequence, sizes):
    if name == "sdmf":
        segment_size = mathutil.next_multiple(length, k)
    slot = Slot()
    writer = WRITERS[name](number, slot, b"", (b"", b"", b""), sequence, k, n, segment_size, length)
    leaves = []
    segments = mathutil.div_ceil(length, segment_size) if length else 0
    for segment in range(segments):
        left = min(segment_size, length - segment * segment_size)
        block = stretch(b"block %d. " % segment, mathutil.div_ceil(left, k))
        writer.put_block(block, segment, stretch(b"salt %d. " % segment, 16))
        leaves.append(stretch(b"leaf %d. " % segment, 32))
    if name == "sdmf" and segments == 0:
        writer.put_salt(stretch(b"salt 0. ", 16))
    shares = HashTree([stretch(b"share %d. " % share, 32) for share in range(n)])
    writer.put_encprivkey(stretch(b"encrypted key. ", sizes[2]))
    writer.put_blockhashes(list(HashTree(leaves)))
    writer.put_sharehashes({i: shares[i] for i in shares.needed_hashes(number)})
    writer.put_root_hash(shares[0])
    signable = writer.get_signable()
    writer.put_signature(stretch(b"signature. ", sizes[1]))
    writer.put_verification_key(stretch(b"verifying key. ", sizes[0]))
    checkstring = writer.get_checkstring() if name == "mdmf" else signable[:57]
    writer.finish_publishing()
    offsets = dict(writer._get_offsets_tuple())
    request, = slot.requests
    return {
        "segmentSize": segment_size,
        "signable": signable,
        "checkstring": checkstring,
        "offsets": offsets,
        **request,
        "shareSize": len(slot.share),
        "share": hashlib.sha256(bytes(slot.share)).digest(),
    }


def main():
    cases = []
    for k, n, number, length, segment_size, sequence, sizes in CASES:
        for name in WRITERS:
            facts = {
                "format": name,
                "required": k,
                "total": n,
                "shareNumber": number,
                "size": length,
                "segmentSize": segment_size,
                "sequenceNumber": sequence,
                "keySizes": sizes,
            }
            try:
                outcome = make(name, k, n, number, length, segment_size, sequence, sizes)
            except Exception as error:
                outcome = {"error": type(error).__name__}
            cases.append({**facts, **outcome})
    write_json(
        "mutable/layout.json",
        "Shares that upstream's slot writers make of parts that are texts repeated: block N, salt N,"
        " leaf N of the block hash tree, share N as leaf N of the share hash tree, encrypted key,"
        " signature and verifying key (keySizes has the sizes of verifying key, signature and encrypted"
        " key). share is the SHA-256 of the whole, error what upstream raised instead.",
        cases=cases,
    )


main()

"""Command line: what `debug dump-cap` and `debug dump-share` print, and the share files they read.

Upstream's own command runs in this process. Its clock stands still, so that "expire in" is a fact.
"""

import os
import time
from io import StringIO
from tempfile import TemporaryDirectory

from common import stretch, write_bytes, write_json
from twisted.internet.defer import succeed

from allmydata import uri
from allmydata.immutable import layout
from allmydata.mutable.layout import MDMFSlotWriteProxy, pack_prefix, pack_share
from allmydata.scripts import debug
from allmydata.scripts.runner import Options
from allmydata.storage import immutable_schema, mutable_schema
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile
from allmydata.util import base32, hashutil
from allmydata.util.encodingutil import quote_output

NOW = 1_700_000_000
NODE_ID = stretch(b"node", 20)
CLIENT_SECRET = stretch(b"secret", 32)
STORAGE_INDEX = stretch(b"index", 16)


def run(*argv):
    """What `tahoe ARGV` writes on its standard output."""
    options = Options()
    options.stdout = StringIO()
    options.parseOptions(argv)
    sub = options.subOptions
    while hasattr(sub, "subOptions") and sub.subOptions is not None:
        sub = sub.subOptions
    sub.stdout = StringIO()
    command = {"dump-cap": debug.dump_cap, "dump-share": debug.dump_share}[argv[1]]
    command(sub)
    return sub.stdout.getvalue()


# Every kind of cap.
WRITEKEY, READKEY, FINGERPRINT = stretch(b"w", 16), stretch(b"r", 16), stretch(b"f", 32)
CHK = uri.CHKFileURI(stretch(b"k", 16), stretch(b"u", 32), 3, 10, 12345)
SSK = uri.WriteableSSKFileURI(WRITEKEY, FINGERPRINT)
MDMF = uri.WriteableMDMFFileURI(WRITEKEY, FINGERPRINT)
FILES = [
    CHK,
    CHK.get_verify_cap(),
    uri.LiteralFileURI(b"some text"),
    SSK,
    SSK.get_readonly(),
    SSK.get_verify_cap(),
    MDMF,
    MDMF.get_readonly(),
    MDMF.get_verify_cap(),
]
DIRECTORIES = [
    uri.ImmutableDirectoryURI(CHK),
    uri.ImmutableDirectoryURI(CHK).get_verify_cap(),
    uri.LiteralDirectoryURI(uri.LiteralFileURI(b"some text")),
    uri.DirectoryURI(SSK),
    uri.DirectoryURI(SSK).get_readonly(),
    uri.DirectoryURI(SSK).get_verify_cap(),
    uri.MDMFDirectoryURI(MDMF),
    uri.MDMFDirectoryURI(MDMF).get_readonly(),
    uri.MDMFDirectoryURI(MDMF).get_verify_cap(),
]
STRANGE = ["x-tahoe-future:something", "URI:CHK:malformed", "URI:SSK-Verifier:abc:def", ""]
WITH_SECRETS = ["-n", base32.b2a(NODE_ID).decode(), "-c", base32.b2a(CLIENT_SECRET).decode()]

caps = []
for cap in [one.to_string().decode() for one in FILES + DIRECTORIES] + STRANGE:
    for flags in ([], WITH_SECRETS, WITH_SECRETS[2:]):
        caps.append({"arguments": [*flags, cap], "stdout": run("debug", "dump-cap", *flags, cap)})
for literal in (b"", b"it's", b'say "hi" $HOME `ls` \\', b"two\nlines\ttab", "é☃\U0001f600".encode(), b"\xff\x00raw", b"\x7f\xc2\x85"):
    cap = uri.LiteralFileURI(literal).to_string().decode()
    caps.append({"arguments": [cap], "stdout": run("debug", "dump-cap", cap)})
web = f"http://127.0.0.1:3456/uri/{CHK.to_string().decode().replace(':', '%3A')}"
caps.append({"arguments": [web], "stdout": run("debug", "dump-cap", web)})

quoted = []
for text in (b"", b"plain", b"it's", b'"quoted"', b"two\nlines", "é☃\U0001f600".encode(), b"\xff\xfe", b"$`\\\"\t\r\x1b\x00", "\ufdd0\ufffd\u0085".encode()):
    for marks in (True, False):
        quoted.append({"bytes": text, "marks": marks, "output": quote_output(text, quotemarks=marks, encoding="utf-8")})


# Share files: the content is made up, the containers and layouts are upstream's.
class Bucket:
    """Takes what upstream's share writer sends to a server."""

    def __init__(self):
        self.data = bytearray()

    def callRemote(self, name, *arguments):
        if name == "write":
            offset, data = arguments
            self.data[len(self.data) :] = bytes(max(0, offset + len(data) - len(self.data)))
            self.data[offset : offset + len(data)] = data
        return succeed(None)


def hashes(count, letter):
    return [stretch(letter + bytes([number]), 32) for number in range(count)]


def chk_share(writer_class, extra=None):
    fields = {
        "codec_name": b"crs",
        "codec_params": b"1002-3-10",
        "tail_codec_params": b"501-3-10",
        "size": 1500,
        "segment_size": 1002,
        "num_segments": 2,
        "needed_shares": 3,
        "total_shares": 10,
        "crypttext_hash": stretch(b"c", 32),
        "crypttext_root_hash": stretch(b"r", 32),
        "share_root_hash": stretch(b"s", 32),
        **(extra or {}),
    }
    packed = uri.pack_extension(fields)
    bucket = Bucket()
    writer = writer_class(bucket, None, 334 + 167, 334, 2, 4, len(packed))
    writer.put_header()
    writer.put_block(0, stretch(b"b", 334))
    writer.put_block(1, stretch(b"t", 167))
    writer.put_crypttext_hashes(hashes(3, b"C"))
    writer.put_block_hashes(hashes(3, b"B"))
    writer.put_share_hashes(list(enumerate(hashes(4, b"S"))))
    writer.put_uri_extension(packed)
    writer.close()
    return bytes(bucket.data)


def lease(number, seconds):
    return LeaseInfo(number, stretch(b"renew", 32), stretch(b"cancel", 32), NOW + seconds, NODE_ID)


LEASES = {"none": [], "one": [lease(1, 31 * 86400)], "three": [lease(1, 86400), lease(2, 5 * 3600 + 1), lease(3, -60)]}


def immutable_file(path, version, data, leases):
    found = {one.version: one for one in immutable_schema.ALL_SCHEMAS}[version]
    share = ShareFile(path, max_size=len(data), create=True, schema=found)
    share.write_share_data(0, data)
    for one in leases:
        share.add_lease(one)


def sdmf_share():
    prefix = pack_prefix(7, stretch(b"R", 32), stretch(b"I", 16), 3, 10, 999, 999)
    chain = dict(zip((1, 2, 5, 12), hashes(4, b"S")))
    return pack_share(prefix, stretch(b"pub", 294), stretch(b"sig", 256), chain, hashes(1, b"B"), stretch(b"D", 333), stretch(b"priv", 1216))


class Slot:
    """Takes what upstream's slot writer sends to a server."""

    def __init__(self):
        self.data = bytearray()

    def slot_testv_and_readv_and_writev(self, _index, _secrets, vectors, _read):
        ((_tests, writes, _length),) = vectors.values()
        for offset, data in writes:
            self.data[len(self.data) :] = bytes(max(0, offset + len(data) - len(self.data)))
            self.data[offset : offset + len(data)] = data
        return succeed((True, {}))


def mdmf_share():
    slot = Slot()
    writer = MDMFSlotWriteProxy(0, slot, STORAGE_INDEX, (b"", b"", b""), 9, 3, 10, 999, 1500)
    writer.put_block(stretch(b"D", 333), 0, stretch(b"1", 16))
    writer.put_block(stretch(b"E", 167), 1, stretch(b"2", 16))
    writer.put_encprivkey(stretch(b"priv", 1216))
    writer.put_blockhashes(hashes(3, b"B"))
    writer.put_sharehashes(dict(zip((1, 2, 5, 12), hashes(4, b"S"))))
    writer.put_root_hash(stretch(b"R", 32))
    writer.put_signature(stretch(b"sig", 256))
    writer.put_verification_key(stretch(b"pub", 292))
    writer.finish_publishing()
    return bytes(slot.data)


def mutable_file(path, version, data, leases):
    found = {one.version: one for one in mutable_schema.ALL_SCHEMAS}[version]
    share = MutableShareFile(path, schema=found)
    share.create(NODE_ID, stretch(b"enabler", 32))
    share.writev([(0, data)], None)
    for one in leases:
        share.add_lease(10**9, one)


V1, V2 = layout.WriteBucketProxy, layout.WriteBucketProxy_v2
PLAINTEXT = {"plaintext_hash": stretch(b"p", 32), "plaintext_root_hash": stretch(b"q", 32), "x_unknown": b"a value"}
SHARES = {
    "chk-v1": lambda path: immutable_file(path, 2, chk_share(V1), LEASES["one"]),
    "chk-v2": lambda path: immutable_file(path, 2, chk_share(V2), LEASES["three"]),
    "chk-container-v1": lambda path: immutable_file(path, 1, chk_share(V1), LEASES["three"]),
    "chk-leftover": lambda path: immutable_file(path, 2, chk_share(V1, PLAINTEXT), LEASES["none"]),
    "sdmf": lambda path: mutable_file(path, 2, sdmf_share(), LEASES["one"]),
    "sdmf-container-v1": lambda path: mutable_file(path, 1, sdmf_share(), LEASES["three"]),
    "mdmf": lambda path: mutable_file(path, 2, mdmf_share(), [*LEASES["three"], lease(4, 100), lease(5, 100000)]),
    "mutable-unknown": lambda path: mutable_file(path, 2, b"\x07" + bytes(100), LEASES["none"]),
}

real_time, time.time = time.time, lambda: NOW
shares = []
with TemporaryDirectory() as folder:
    for name, make in SHARES.items():
        for place in (base32.b2a(STORAGE_INDEX).decode(), "elsewhere!"):
            os.makedirs(os.path.join(folder, place), exist_ok=True)
            path = os.path.join(folder, place, "0")
            make(path)
            with open(path, "rb") as file:
                write_bytes(f"cli/{name}.share", file.read())
            for flags in ([], ["--offsets"], ["--leases-only"], ["--offsets", "--leases-only"]):
                stdout = run("debug", "dump-share", *flags, path).replace(path, "PATH")
                shares.append({"share": f"cli/{name}.share", "folder": place, "flags": flags, "stdout": stdout})
            os.unlink(path)
time.time = real_time

write_json(
    "cli/dump-cap.json",
    "What `tahoe debug dump-cap ARGUMENTS` prints.",
    dumps=caps,
)
write_json(
    "cli/dump-share.json",
    "What `tahoe debug dump-share FLAGS FOLDER/0` prints at the time `now` (seconds since 1970) of a copy of `share`; PATH stands for the path of the file.",
    now=NOW,
    dumps=shares,
)
write_json(
    "cli/quote-output.json",
    "How upstream quotes bytes for people: encodingutil.quote_output, with and without quotation marks always.",
    cases=quoted,
)

"""Upstream's clients in this process, on servers in memory, with nothing left to chance.

Keys are those of upstream's published vectors, the salts of segments count up, and the salt of a
signature derives from what is signed, in a PSS encoder that upstream's own verifier checks each time.
"""

import hashlib
import os
from io import BytesIO
from pathlib import Path

from common import stretch, write_bytes
from foolscap.api import fireEventually
from twisted.internet.defer import inlineCallbacks, succeed
from zope.interface import implementer

from allmydata import uri
from allmydata.client import SecretHolder
from allmydata.crypto import rsa
from allmydata.hashtree import HashTree
from allmydata.immutable import layout, upload
from allmydata.immutable.encode import Encoder
from allmydata.interfaces import IServer
from allmydata.mutable import publish
from allmydata.mutable.filenode import MutableFileNode
from allmydata.node import config_from_string
from allmydata.storage_client import StorageFarmBroker
from allmydata.util import base32, mathutil

SECRETS = SecretHolder(stretch(b"lease secret. ", 32), stretch(b"convergence. ", 32))
COMMITTED = Path(__file__).parents[2] / "packages/vectors/data"
PUBLISHED_KEYS = "mutable/published-keys.bytes"


def digest(data):
    return hashlib.sha256(data).digest()


# Chance, fixed.
def mgf1(seed, length):
    blocks = (digest(seed + i.to_bytes(4, "big")) for i in range(-(-length // 32)))
    return b"".join(blocks)[:length]


def sign_data(private_key, data):
    """RSASSA-PSS of RFC 8017 9.1.1 for 2048 bits: SHA-256, MGF1, 32 bytes of salt from the data."""
    salt = digest(b"salt of " + data)
    hashed = digest(bytes(8) + digest(data) + salt)
    block = bytes(256 - 32 - 32 - 2) + b"\x01" + salt
    masked = bytes(a ^ b for a, b in zip(block, mgf1(hashed, len(block))))
    encoded = bytes([masked[0] & 0x7F]) + masked[1:] + hashed + b"\xbc"
    numbers = private_key.private_numbers()
    signed = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n)
    signature = signed.to_bytes(256, "big")
    rsa.verify_signature(private_key.public_key(), signature, data)
    return signature


class Salts:
    """Stands where publish.py expects the module os."""

    SEEK_END = os.SEEK_END

    def __init__(self):
        self.begin("")

    def begin(self, label):
        self.label, self.given = label, []

    def urandom(self, count):
        salt = digest(f"{self.label} {len(self.given)}".encode())[:count]
        self.given.append(salt)
        return salt


salts = Salts()
publish.os = salts
rsa.sign_data = sign_data


# Keys.
def read_published_keys():
    """The private keys of upstream's integration/vectors/test_vectors.yaml (2023-01-16.2)."""
    joined = (COMMITTED / PUBLISHED_KEYS).read_bytes()
    keys = []
    while joined:
        assert joined[:2] == b"\x30\x82"
        length = 4 + int.from_bytes(joined[2:4], "big")
        keys.append(joined[:length])
        joined = joined[length:]
    return keys


KEYS = read_published_keys()


def key_pair(number):
    private, public = rsa.create_signing_keypair_from_string(KEYS[number])
    return public, private


# Servers.
class MemoryServer:
    """One slot, read and written as upstream's servers do; notes the writes it is asked for."""

    def __init__(self, number, requests):
        self.number = number
        self.requests = requests
        self.shares = {}

    def callRemote(self, name, *arguments):
        return fireEventually().addCallback(lambda _: getattr(self, name)(*arguments))

    def slot_readv(self, _storage_index, numbers, vector):
        return {
            number: [data[offset : offset + length] for offset, length in vector]
            for number, data in self.shares.items()
            if not numbers or number in numbers
        }

    def slot_testv_and_readv_and_writev(self, storage_index, _secrets, vectors, read_vector):
        good = all(
            self.shares.get(number, b"")[offset : offset + length] == specimen
            for number, (tests, _, _) in vectors.items()
            for offset, length, _, specimen in tests
        )
        read = self.slot_readv(storage_index, [], read_vector)
        self.requests.append((self.number, vectors, read_vector, good))
        if good:
            for number, (_, writes, new_length) in vectors.items():
                self.write(number, writes, new_length)
        return good, read

    def write(self, number, writes, new_length):
        data = bytearray(self.shares.get(number, b""))
        for offset, piece in writes:
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(piece)] = piece
        if new_length is not None and new_length < len(data):
            del data[new_length:]
        self.shares[number] = bytes(data)


class Grid:
    """Ten servers in memory and a node on them."""

    def __init__(self, required, total):
        self.encoding = {"k": required, "n": total}
        self.requests = []
        self.broker = StorageFarmBroker(True, None, config_from_string("/dev/null", "", ""))
        self.servers = [MemoryServer(number, self.requests) for number in range(10)]
        for server in self.servers:
            name = base32.b2a(digest(b"server %d" % server.number)[:20])
            announcement = {
                "anonymous-storage-FURL": f"pb://{name.decode()}@nowhere/fake",
                "permutation-seed-base32": name,
            }
            self.broker.test_add_rref(name, server, announcement)

    def new_node(self):
        return MutableFileNode(self.broker, SECRETS, self.encoding, None)

    def node_of(self, cap):
        return self.new_node().init_from_cap(cap)

    def shares(self):
        found = {}
        for server in self.servers:
            for number, data in server.shares.items():
                assert number not in found
                found[number] = data
        return dict(sorted(found.items()))


def keep(name, shares, numbers):
    """Writes the named shares into one file."""
    write_bytes(name, b"".join(shares[number] for number in numbers))
    return {
        "file": name,
        "shareNumbers": numbers,
        "sizes": [len(shares[number]) for number in numbers],
    }


# Immutable shares.
class MemoryBucket:
    """Takes what upstream's share writer sends to a server."""

    def __init__(self):
        self.data = BytesIO()

    def callRemote(self, name, *args):
        if name == "write":
            offset, data = args
            self.data.seek(offset)
            self.data.write(data)
        return succeed(None)


@implementer(IServer)
class UploadServer:
    def __init__(self, number):
        self.number = number

    def get_name(self):
        return b"%d" % self.number

    def get_serverid(self):
        return self.number


@inlineCallbacks
def encode(data, k, n, segment_size, convergence, share_numbers=()):
    """Gives (cap, encoder, {share number: its bytes}) of an upload."""
    source = upload.Data(data, convergence)
    source.set_default_encoding_parameters(
        {"k": k, "happy": 1, "n": n, "max_segment_size": segment_size}
    )
    encoder = Encoder()
    yield encoder.set_encrypted_uploadable(upload.EncryptAnUploadable(source))
    buckets = {number: MemoryBucket() for number in share_numbers}
    chain_length = len(HashTree([b""] * n).needed_hashes(0, include_leaf=True))
    writers = {
        number: layout.make_write_bucket_proxy(
            bucket,
            UploadServer(number),
            mathutil.div_ceil(len(data), k),
            encoder.get_param("block_size"),
            encoder.get_param("num_segments"),
            chain_length,
            encoder.get_uri_extension_size(),
        )
        for number, bucket in buckets.items()
    }
    encoder.set_shareholders(writers, {number: {number} for number in writers})
    verify_cap = yield encoder.start()
    key = yield source.get_encryption_key()
    cap = uri.CHKFileURI(key, verify_cap.uri_extension_hash, k, n, len(data))
    shares = {number: bucket.data.getvalue() for number, bucket in buckets.items()}
    return cap, encoder, shares

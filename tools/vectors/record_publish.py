"""Publishing of mutable files: the shares that upstream's Publish makes when nothing is left to chance.

The key pair is a stored one, the salts follow from their number, and the signature, which would
differ each time, is replaced by fixed bytes. What it covers is recorded.
"""

import hashlib
from importlib.resources import files
from random import Random
from types import SimpleNamespace

from foolscap.api import fireEventually
from twisted.internet import defer, task

from allmydata.crypto import rsa
from allmydata.interfaces import MDMF_VERSION, SDMF_VERSION
from allmydata.mutable import publish
from allmydata.mutable.common import MODE_WRITE, NotEnoughServersError, derive_mutable_keys
from allmydata.util import hashutil
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common import stretch, write_json

SIGNATURE = b"\x5a" * 256
SEED = bytes(range(251))
PATCH_SEED = bytes(range(1, 240))
FORMATS = {"SDMF": SDMF_VERSION, "MDMF": MDMF_VERSION}

pem = (files("allmydata") / "test" / "data" / "openssl-rsa-2048.txt").read_bytes()
private_key = load_pem_private_key(pem, password=None)
public_key = private_key.public_key()
private_der = rsa.der_string_from_signing_key(private_key)
writekey, encprivkey, fingerprint = derive_mutable_keys((public_key, private_key))
readkey = hashutil.ssk_readkey_hash(writekey)
storage_index = hashutil.ssk_storage_index_hash(readkey)

salts = []
signed = []


def salt(size):
    salts.append(hashlib.sha256(b"salt %d" % len(salts)).digest()[:size])
    return salts[-1]


def sign(key, data):
    signed.append(data)
    return SIGNATURE


publish.os = SimpleNamespace(urandom=salt, SEEK_END=2)
publish.rsa = SimpleNamespace(
    sign_data=sign, der_string_from_verifying_key=rsa.der_string_from_verifying_key
)


class Server:
    """A server with one slot, and itself the storage server and the server that brokers know."""

    def __init__(self, number):
        self.number = number
        self.shares = {}

    def get_serverid(self):
        return b"server %03d" % self.number

    def get_name(self):
        return self.get_serverid()

    def upload_permitted(self):
        return True

    def get_storage_server(self):
        return self

    def slot_testv_and_readv_and_writev(self, si, secrets, vectors, reads):
        read = {
            n: [bytes(share[at : at + size]) for at, size in reads] for n, share in self.shares.items()
        }
        for n, (tests, writes, new_length) in vectors.items():
            share = self.shares.get(n, bytearray())
            for at, size, specimen in tests:
                assert bytes(share[at : at + size]) == specimen
        for n, (tests, writes, new_length) in vectors.items():
            share = self.shares.setdefault(n, bytearray())
            for at, data in writes:
                share.extend(bytes(max(0, at + len(data) - len(share))))
                share[at : at + len(data)] = data
        return fireEventually((True, read))


class Node:
    def __init__(self, version, k, n):
        self.size = None
        self.version, self.k, self.n = version, k, n

    get_storage_index = staticmethod(lambda: storage_index)
    get_writekey = staticmethod(lambda: writekey)
    get_readkey = staticmethod(lambda: readkey)
    get_pubkey = staticmethod(lambda: public_key)
    get_privkey = staticmethod(lambda: private_key)
    get_encprivkey = staticmethod(lambda: encprivkey)
    get_write_enabler = get_renewal_secret = get_cancel_secret = staticmethod(lambda _: bytes(32))

    def get_version(self):
        return self.version

    def get_required_shares(self):
        return self.k

    def get_total_shares(self):
        return self.n

    def get_size(self):
        return self.size

    def set_downloader_hints(self, hints):
        pass


class Grid:
    def __init__(self, count):
        self.servers = [Server(number) for number in range(count)]

    def get_servers_for_psi(self, si):
        return self.servers

    def shares(self):
        found = {n: bytes(share) for server in self.servers for n, share in server.shares.items()}
        return [found[n] for n in sorted(found)]


def answer(shares):
    """Small shares whole, large ones by their hashes."""
    fields = {
        "salts": list(salts),
        "signed": signed[-1],
        "shareSize": len(shares[0]),
        "sharesHash": hashlib.sha256(b"".join(shares)).digest(),
    }
    if len(shares[0]) < 3000 and len(shares) <= 3:
        fields["shares"] = shares
    else:
        fields["shareHashes"] = [hashlib.sha256(share).digest()[:8] for share in shares[:10]]
    return fields


async def publish_whole(format, size, k, n):
    salts.clear()
    grid, node = Grid(n), Node(FORMATS[format], k, n)
    publication = publish.Publish(node, grid, None)
    await publication.publish(publish.MutableData(stretch(SEED, size)))
    return grid, node, publication


async def whole(format, size, k, n):
    grid, node, publication = await publish_whole(format, size, k, n)
    assert {len(server.shares) for server in grid.servers} == {1}
    return {"format": format, "size": size, "requiredShares": k, "totalShares": n} | answer(grid.shares())


async def patched(size, k, n, offset, length):
    grid, node, first = await publish_whole("MDMF", size, k, n)
    node.size = size
    before, patch = stretch(SEED, size), stretch(PATCH_SEED, length)
    segment_size = first.segment_size
    servermap = first._servermap
    servermap.set_last_update(MODE_WRITE, 0)
    start = offset // segment_size
    end = (offset + length - 1) // segment_size if offset + length < size else start

    def old(segment):
        return before[segment * segment_size : (segment + 1) * segment_size]

    data = publish.TransformingUploadable(
        publish.MutableData(patch), offset, segment_size, old(start), old(end)
    )
    salts.clear()
    second = publish.Publish(node, grid, servermap)
    trees = {n: list(tree) for n, tree in first.blockhashes.items()}
    await second.update(data, offset, trees, first.versioninfo)
    return {
        "size": size,
        "requiredShares": k,
        "totalShares": n,
        "offset": offset,
        "length": length,
    } | answer(grid.shares())


def placements():
    """Where update_goal puts shares: servers by their numbers in the order of the file."""
    random = Random(20)
    cases = []
    for _ in range(60):
        count, total = random.randrange(0, 9), random.choice([1, 3, 4, 10, 13])
        servers = [Server(number) for number in range(count)]
        refusing = [server for server in servers if random.random() < 0.2]
        bad = {server for server in servers if random.random() < 0.2}
        for server in refusing:
            server.upload_permitted = lambda: False
        goal = {
            (random.choice(servers), random.randrange(total))
            for _ in range(random.randrange(0, 2 * total) if servers else 0)
        }
        publication = publish.Publish.__new__(publish.Publish)
        publication.__dict__ |= {
            "goal": set(goal),
            "bad_servers": bad,
            "full_serverlist": servers,
            "total_shares": total,
            "_new_seqnum": 1,
            "_first_write_error": None,
            "log": lambda *args, **kwargs: None,
        }
        try:
            publication.update_goal()
            after, error = publication.goal, None
        except NotEnoughServersError as e:
            after, error = None, type(e).__name__

        def numbers(pairs):
            return sorted([server.number, share] for server, share in pairs)

        cases.append(
            {
                "servers": count,
                "refusing": [server.number for server in refusing],
                "bad": sorted(server.number for server in bad),
                "totalShares": total,
                "before": numbers(goal),
                "after": after and numbers(after),
                "error": error,
            }
        )
    return cases


async def record(reactor):
    codes = [(1, 1), (2, 3), (3, 10), (7, 7), (71, 255)]
    sizes = [0, 1, 3, 1000, 131071, 131072, 131073, 1024 * 1024 + 5]
    cases = [
        await whole(format, size, k, n)
        for format in FORMATS
        for k, n in codes
        for size in sizes
    ]
    segment = 131073
    patches = [
        await patched(*case)
        for case in [
            (1000, 3, 10, 0, 1),
            (1000, 3, 10, 990, 10),
            (1000, 3, 10, 990, 500),
            (1000, 3, 10, 1000, 200_000),
            (3 * segment, 3, 10, segment, segment),
            (3 * segment, 3, 10, segment - 1, segment + 2),
            (3 * segment, 3, 10, segment + 5, 1000),
            (3 * segment, 3, 10, 2 * segment + 7, segment - 7),
            (3 * segment, 3, 10, 3 * segment, 1),
            (3 * segment + 9, 3, 10, 3 * segment + 9, 4 * segment),
            (400_000, 2, 3, 131_000, 200),
            (400_000, 1, 1, 399_999, 2),
            (1_100_000, 71, 255, 500_000, 300_000),
        ]
    ]
    write_json(
        "mutable/publish.json",
        "The shares that a first publication of `size` bytes (the first bytes of `seed`, repeated) makes,"
        " and after `patches` of `length` bytes (of `patchSeed`) in place. Salts come in the order in which"
        " they were drawn; every signature is `signature`; `signed` is what the last one covers."
        " `placements`: which server gets which share that has none, as pairs of server and share."
        " `sharesHash` is the SHA-256 of all shares in order; `shareHashes` are the beginnings of each one's.",
        seed=SEED,
        patchSeed=PATCH_SEED,
        signature=SIGNATURE,
        privateKey=private_der,
        publicKey=rsa.der_string_from_verifying_key(public_key),
        encryptedPrivateKey=encprivkey,
        writekey=writekey,
        readkey=readkey,
        fingerprint=fingerprint,
        storageIndex=storage_index,
        cases=cases,
        patches=patches,
        placements=placements(),
    )


task.react(lambda reactor: defer.ensureDeferred(record(reactor)))

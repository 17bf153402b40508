"""Servermaps: which servers upstream's updater asks, in which order of answers, and when it is done.

Servers answer one at a time, in the order that a case says, so that each step shows what one answer
leads to. The shares are upstream's own, made with a key of its source, fixed salts and signatures
that upstream verifies.
"""

import hashlib
import os
import random
from importlib.resources import files

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from foolscap.api import fireEventually, flushEventualQueue
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import react
from zope.interface import implementer

from allmydata import uri
from allmydata.client import SecretHolder
from allmydata.crypto import rsa
from allmydata.interfaces import MDMF_VERSION, SDMF_VERSION, IServer
from allmydata.monitor import Monitor
from allmydata.mutable.common import MODE_ANYTHING, MODE_CHECK, MODE_READ, MODE_REPAIR, MODE_WRITE
from allmydata.mutable.layout import MDMFSlotReadProxy
from allmydata.mutable.publish import MutableData
from allmydata.mutable.servermap import ServerMap, ServermapUpdater
from allmydata.nodemaker import NodeMaker

from common import stretch, write_bytes, write_json

MODES = [MODE_READ, MODE_WRITE, MODE_ANYTHING, MODE_CHECK, MODE_REPAIR]
PEM = (files("allmydata") / "test" / "data" / "openssl-rsa-2048.txt").read_bytes()
KEY = load_pem_private_key(PEM, None)
KEYPAIR = (KEY.public_key(), KEY)


def mgf1(seed, length):
    blocks = [hashlib.sha256(seed + number.to_bytes(4, "big")).digest() for number in range(8)]
    return b"".join(blocks)[:length]


def sign(key, message):
    """RSASSA-PSS of RFC 8017 with SHA-256 and a salt that never changes."""
    salt = stretch(b"salt", 32)
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
    block = bytes(190) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, mgf1(digest, 223), strict=True))
    masked[0] &= 0x7F
    numbers = key.private_numbers()
    encoded = int.from_bytes(bytes(masked) + digest + b"\xbc", "big")
    return pow(encoded, numbers.d, numbers.public_numbers.n).to_bytes(256, "big")


rsa.sign_data = sign
os.urandom = lambda size: stretch(b"random", size)


class Grid:
    """Servers in one order for every file. It is their broker, too."""

    def __init__(self, count):
        self.servers = [Server(self, index) for index in range(count)]
        self.keeps_answers = False
        self.pending = {}
        self.failing = set()
        self.advised = []

    def get_servers_for_psi(self, _storage_index, for_upload=False):
        return list(self.servers)

    def maker(self, k=3, n=10):
        secrets = SecretHolder(b"lease", b"convergence")
        return NodeMaker(self, secrets, None, None, None, {"k": k, "n": n}, SDMF_VERSION, None)

    def answer(self, index):
        deferred, vectors = self.pending.pop(index)
        if index in self.failing:
            deferred.errback(RuntimeError("broken"))
        else:
            deferred.callback(self.servers[index].read([], vectors))


@implementer(IServer)
class Server:
    """A server and what it stores. Where its grid keeps answers, it tells nobody before it is told to."""

    def __init__(self, grid, index):
        self.grid = grid
        self.index = index
        self.shares = {}

    def get_storage_server(self):
        return self

    def get_name(self):
        return b"server%d" % self.index

    get_serverid = get_longname = get_name

    def get_lease_seed(self):
        return stretch(self.get_name(), 20)

    get_foolscap_write_enabler_seed = get_lease_seed

    def upload_permitted(self):
        return True

    def read(self, numbers, vectors):
        return {
            number: [data[offset : offset + size] for offset, size in vectors]
            for number, data in self.shares.items()
            if not numbers or number in numbers
        }

    def slot_readv(self, _storage_index, numbers, vectors):
        if numbers or not self.grid.keeps_answers:
            return fireEventually(self.read(numbers, vectors))
        deferred = Deferred()
        self.grid.pending[self.index] = (deferred, vectors)
        return deferred

    def slot_testv_and_readv_and_writev(self, _storage_index, _secrets, changes, vectors):
        before = self.read([], vectors)
        for number, (_tests, writes, _length) in changes.items():
            data = bytearray(self.shares.get(number, b""))
            for offset, piece in writes:
                data[len(data) :] = bytes(max(0, offset + len(piece) - len(data)))
                data[offset : offset + len(piece)] = piece
            self.shares[number] = bytes(data)
        return fireEventually((True, before))

    def advise_corrupt_share(self, _kind, _storage_index, number, _reason):
        self.grid.advised.append((self.index, number))


@inlineCallbacks
def make_versions():
    """The write cap, and the shares of each version by share number."""
    versions = {}

    def keep(grid, name):
        versions[name] = {n: data for server in grid.servers for n, data in server.shares.items()}

    grid = Grid(10)
    node = yield grid.maker().create_mutable_file(MutableData(b"the first"), SDMF_VERSION, KEYPAIR)
    keep(grid, "1")
    yield node.overwrite(MutableData(b"the second"))
    keep(grid, "2")
    yield node.overwrite(MutableData(b"the third"))
    keep(grid, "3a")
    for server in grid.servers:
        server.shares = {number: versions["2"][number] for number in server.shares}
    yield node.overwrite(MutableData(b"another third"))
    keep(grid, "3b")

    grid = Grid(10)
    contents = MutableData(b"in two of four")
    yield grid.maker(2, 4).create_mutable_file(contents, SDMF_VERSION, KEYPAIR)
    keep(grid, "2-of-4")

    grid = Grid(10)
    contents = MutableData(stretch(b"larger", 17000))
    yield grid.maker(1, 2).create_mutable_file(contents, SDMF_VERSION, KEYPAIR)
    keep(grid, "1-of-2")

    grid = Grid(10)
    contents = MutableData(stretch(b"in segments", 9000))
    yield grid.maker().create_mutable_file(contents, MDMF_VERSION, KEYPAIR)
    keep(grid, "mdmf")
    return node.get_uri(), versions


@inlineCallbacks
def settle():
    for _ in range(5):
        yield flushEventualQueue()


def damaged(data, damage):
    if damage:
        kind, position = damage
        if kind == "flip":
            data = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        elif kind == "unknown":
            data = b"\x07" + data[1:]
        else:
            data = data[:position]
    return data


def place_of(data, part):
    reader = MDMFSlotReadProxy(None, None, 0, data, True)
    found = []
    reader.get_verinfo().addCallback(found.append)
    if part == "pubkey" and data[0] == 0:
        return 107
    return dict(found[0][8])[{"pubkey": "verification_key"}.get(part, part)]


@inlineCallbacks
def run(case, cap, versions):
    """Records what comes of a case: an entry for each update of the one map."""
    grid = Grid(case["servers"])
    grid.keeps_answers = True
    node = grid.maker()._create_mutable(uri.from_string(cap))
    if not case["writeable"]:
        node = node.get_readonly()
    if case["encoding"] is not None:
        node._populate_required_shares(case["encoding"][0])
        node._populate_total_shares(case["encoding"][1])
    for server, number, version, *damage in case["shares"]:
        grid.servers[server].shares[number] = damaged(versions[version][number], damage)
    grid.failing = set(case["failing"])
    servermap = ServerMap()
    names = {shares[0][:41]: name for name, shares in versions.items()}

    def listed(entries):
        return " ".join("/".join(str(part) for part in entry) for entry in sorted(entries))

    def named(verinfos):
        return sorted(names[info[7][:41]] for info in verinfos)

    updates = []
    for mode in case["modes"]:
        updater = ServermapUpdater(node, grid, Monitor(), servermap, mode)
        finished = []
        grid.pending.clear()
        updater.update().addBoth(finished.append)
        yield settle()
        initial = sorted(grid.pending)
        asked = list(initial)
        steps = []
        while not finished:
            before = set(grid.pending)
            index = min(before, key=(case["answering"] or list(range(case["servers"]))).index)
            grid.answer(index)
            yield settle()
            more = sorted(set(grid.pending) - before)
            asked += more
            steps.append([index, *more])
        assert finished == [servermap], finished
        updates.append({
            "mode": mode,
            "initial": initial,
            "steps": steps,
            "asksTwice": len(set(asked)) < len(asked),
            "recoverable": named(servermap.recoverable_versions()),
            "unrecoverable": named(servermap.unrecoverable_versions()),
            "newer": named(servermap.unrecoverable_newer_versions()),
            "best": named([b for b in [servermap.best_recoverable_version()] if b]),
            "known": listed((s.index, n, names[v[7][:41]]) for (s, n), (v, _) in servermap.get_known_shares().items()),
            "bad": listed((s.index, n) for s, n in servermap.get_bad_shares()),
            "unreachable": sorted(s.index for s in servermap.unreachable_servers),
            "advised": listed(set(grid.advised)),
            "needsMerge": servermap.needs_merge(),
            "highestSequenceNumber": servermap.highest_seqnum(),
            "privateKey": node.get_privkey() is not None,
        })
    return updates


def case(name, servers, shares, modes, encoding=None, writeable=True, failing=(), answering=None):
    return {
        "name": name,
        "servers": servers,
        "shares": [list(one) for one in shares],
        "modes": list(modes),
        "encoding": encoding,
        "writeable": writeable,
        "failing": list(failing),
        "answering": answering and list(answering),
    }


def spread(version, servers, numbers=range(10)):
    """One share a server, in order."""
    return [(server, number, version) for server, number in zip(servers, numbers)]


def chosen_cases(versions):
    """The cases that somebody thought of, each in every mode."""
    def hurt(version, kind, servers=range(10), extra=0):
        found = []
        for server in servers:
            data = versions[version][server % 10]
            if kind in ("cut", "unknown"):
                damage = (kind, extra)
            elif isinstance(kind, int):
                damage = ("flip", kind)
            else:
                damage = ("flip", place_of(data, kind) + extra)
            found.append((server, server % 10, version, *damage))
        return found

    ten = range(10)
    table = [
        ("no servers", 0, []),
        ("one server without shares", 1, []),
        ("one server with all shares", 1, [(0, n, "1") for n in ten]),
        ("two servers with all shares", 2, [(n % 2, n, "1") for n in ten]),
        ("three servers, share by share", 3, [(n % 3, n, "1") for n in ten]),
        ("ten servers, one share each", 10, spread("1", ten)),
        ("MDMF on ten servers", 10, spread("mdmf", ten)),
        ("twenty servers, ten first ones with shares", 20, spread("1", ten)),
        ("thirty servers, the first ten with shares", 30, spread("1", ten)),
        ("thirty servers, the last ten with shares", 30, spread("1", range(20, 30))),
        ("thirty servers, every third with a share", 30, spread("1", range(0, 30, 3))),
        ("a gap of two", 20, spread("1", [0, 1, 2, 3, 6, 7, 8, 9, 10, 11])),
        ("a gap of three", 20, spread("1", [0, 1, 2, 3, 7, 8, 9, 10, 11, 12])),
        ("a gap of eight", 20, spread("1", [0, 1, 2, 3, 4, 13, 14, 15, 16, 17])),
        ("thirty servers without shares", 30, []),
        ("two shares alone", 20, spread("1", [1, 4])),
        ("two versions, both recoverable", 10, spread("1", range(5), range(5)) + spread("2", range(5, 10), range(5, 10))),
        ("a newer version that is not recoverable", 20, spread("1", range(8)) + [(3, 8, "2")]),
        ("a newer version with two shares early on", 20, [(0, 0, "2"), (1, 1, "2")] + spread("1", range(2, 10), range(2, 10))),
        ("a newer version whose third share is far out", 20, [(0, 0, "2"), (1, 1, "2")] + spread("1", range(2, 10), range(2, 10)) + [(15, 5, "2")]),
        ("an older version that is not recoverable", 20, spread("2", range(2, 10), range(2, 10)) + [(0, 0, "1"), (1, 1, "1")]),
        ("two versions with one number", 10, spread("3a", range(0, 10, 2), range(0, 10, 2)) + spread("3b", range(1, 10, 2), range(1, 10, 2))),
        ("all versions, none recoverable", 20, [(0, 0, "1"), (1, 1, "1"), (2, 2, "2"), (3, 3, "2"), (4, 4, "3a"), (5, 5, "3a"), (6, 6, "3b"), (7, 7, "3b")]),
        ("several versions on each server", 6, [(s, n, v) for s in range(6) for n, v in ((s, "1"), ((s + 3) % 10, "2"))]),
        ("every share twice", 20, spread("1", ten) + spread("1", range(10, 20))),
        ("two of four", 10, spread("2-of-4", range(4))),
        ("one of two, whose private key is far from the beginning", 10, spread("1-of-2", range(2))),
        ("the same with a bad private key first", 20, hurt("1-of-2", "enc_privkey", [0], 9) + spread("1-of-2", [1], [1])),
        ("bad signatures on the first three", 10, hurt("1", "signature", range(3)) + spread("1", range(3, 10), range(3, 10))),
        ("bad signatures everywhere", 10, hurt("1", "signature")),
        ("bad public keys on the first two", 10, hurt("1", "pubkey", range(2), 20) + spread("1", range(2, 10), range(2, 10))),
        ("bad public keys everywhere", 10, hurt("1", "pubkey", extra=20)),
        ("a wrong sequence number on two", 10, hurt("1", 8, range(2)) + spread("1", range(2, 10), range(2, 10))),
        ("a wrong root hash on two", 10, hurt("1", 12, range(2)) + spread("1", range(2, 10), range(2, 10))),
        ("shares of an unknown version", 10, hurt("1", "unknown", range(4)) + spread("1", range(4, 10), range(4, 10))),
        ("shares of an unknown version alone", 10, hurt("1", "unknown")),
        ("shares cut within the header", 10, hurt("1", "cut", range(3), 60) + spread("1", range(3, 10), range(3, 10))),
        ("bad private keys on the first three", 20, hurt("1", "enc_privkey", range(3), 100) + spread("1", range(3, 10), range(3, 10))),
        ("bad private keys everywhere", 20, hurt("1", "enc_privkey", extra=100)),
        ("bad private keys of MDMF everywhere", 20, hurt("mdmf", "enc_privkey", extra=100)),
        ("bad signatures of MDMF", 10, hurt("mdmf", "signature", range(3)) + spread("mdmf", range(3, 10), range(3, 10))),
        ("a bad share beside a good one", 10, [(n % 5, n, "1", *(("flip", 8) if n < 5 else ())) for n in ten]),
    ]
    found = []
    for index, (name, servers, shares) in enumerate(table):
        for mode in [MODE_READ, MODE_WRITE, MODE_ANYTHING, [MODE_CHECK, MODE_REPAIR][index % 2]]:
            found.append(case(name, servers, shares, [mode]))
    ten_of_twenty = spread("1", ten)
    back = list(reversed(range(20)))
    for mode in MODES:
        found += [
            case("answers from the far end", 20, ten_of_twenty, [mode], answering=back),
            case("the first five fail", 20, ten_of_twenty, [mode], failing=range(5)),
            case("all fail", 20, ten_of_twenty, [mode], failing=range(20)),
            case("those after the shares fail", 20, ten_of_twenty, [mode], failing=range(10, 14)),
            case("the encoding is known", 20, spread("2-of-4", range(4)), [mode], encoding=[2, 4]),
            case("another encoding is known", 30, ten_of_twenty, [mode], encoding=[5, 20]),
            case("a second time, read first", 20, ten_of_twenty, [MODE_READ, mode]),
            case("a second time, looked everywhere first", 30, spread("1", range(20, 30)), [MODE_CHECK, mode]),
            case("a second time, from the far end", 20, ten_of_twenty, [MODE_READ, mode], answering=back),
            case("a second time, bad signatures", 20, hurt("1", "signature", range(4)) + spread("1", range(4, 10), range(4, 10)), [mode, mode]),
        ]
    for mode in (MODE_READ, MODE_ANYTHING, MODE_CHECK):
        found.append(case("a read cap", 20, ten_of_twenty, [mode], writeable=False))
    return found


def random_cases(count):
    """Grids that nobody thought of."""
    rng = random.Random(3)
    found = []
    for number in range(count):
        servers = rng.choice([1, 4, 8, 10, 12, 20, 25])
        kept = rng.sample(["1", "2", "3a", "3b"], rng.choice([1, 1, 2, 3]))
        shares = {}
        for version in kept:
            for share in range(10):
                if rng.random() < 0.7:
                    shares[(min(int(rng.expovariate(0.12)), servers - 1), share)] = version
        failing = [s for s in range(servers) if rng.random() < rng.choice([0, 0, 0.1, 0.3])]
        answering = list(range(servers))
        rng.shuffle(answering)
        found.append(case(
            f"by chance, {number}",
            servers,
            [(s, n, v) for (s, n), v in sorted(shares.items())],
            [rng.choice([MODE_READ, MODE_WRITE, *MODES]) for _ in range(rng.choice([1, 1, 2]))],
            encoding=rng.choice([None, None, [3, 10], [4, 12]]),
            failing=failing,
            answering=answering,
        ))
    return found


@inlineCallbacks
def main(_reactor):
    cap, versions = yield make_versions()
    cases = chosen_cases(versions) + random_cases(120)
    for one in cases:
        one["updates"] = yield run(one, cap, versions)
    packed = b""
    places = {}
    for name, shares in versions.items():
        places[name] = {"offset": len(packed), "size": len(shares[0]), "count": len(shares)}
        assert all(len(data) == len(shares[0]) for data in shares.values())
        packed += b"".join(data for _, data in sorted(shares.items()))
    write_bytes("mutable/servermap.shares", packed)
    write_json(
        "mutable/servermap.json",
        "What upstream's ServermapUpdater does over grids whose servers answer one at a time. Servers are "
        "numbered in the order of the file. 'versions' says where servermap.shares holds the shares of each "
        "version, share after share. In a case, 'shares' are [server, share number, version] and sometimes a "
        "damage: 'flip' and the offset of a byte whose lowest bit is flipped, 'cut' and a length, or 'unknown' "
        "and 0 (the version byte becomes 7); 'answering' ranks the servers: of those that were asked the first "
        "one in it answers next (null: in their order); 'failing' ones answer with an error. Each update of "
        "the one map has the servers that are asked at once and then steps: the server that answers and those "
        "that are asked then; the last step ends it. Where 'asksTwice' is true upstream asks some servers "
        "once more: it forgets that they were in the map. 'known', 'bad' and 'advised' (all so far) are "
        "server/share(/version).",
        cap=cap.decode(),
        versions=places,
        cases=cases,
    )


react(main)

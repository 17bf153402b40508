"""A grid in memory whose shares can be damaged, and what upstream's checkers say of it.

Reads answer as upstream's do over Great Black Swamp: short at the end of a share, and with the error
of its client where nothing is asked for.
"""

from foolscap.api import DeadReferenceError, fireEventually
from memory_grid import SECRETS, MemoryServer, digest
from twisted.internet.defer import fail, maybeDeferred
from werkzeug.datastructures import Range

from allmydata import storage_client
from allmydata.client import Terminator
from allmydata.interfaces import SDMF_VERSION
from allmydata.node import config_from_string
from allmydata.nodemaker import NodeMaker
from allmydata.storage_client import StorageFarmBroker
from allmydata.util import base32
from allmydata.web.check_results import json_check_and_repair_results, json_check_results

# There are none, and looking for them takes longer than all the rest.
storage_client.getPlugins = lambda *_: []
VERSION = {
    b"http://allmydata.org/tahoe/protocols/storage/v1": {
        b"maximum-immutable-share-size": 1 << 40,
        b"maximum-mutable-share-size": 1 << 40,
        b"available-space": 1 << 40,
        b"tolerates-immutable-read-overrun": True,
    },
    b"application-version": b"memory",
}


class Reader:
    """One immutable share of a server."""

    def __init__(self, server, number):
        self.server = server
        self.number = number

    def callRemote(self, name, *arguments):
        return self.server.later(getattr(self, name), *arguments)

    def read(self, offset, length):
        if self.server.dies:
            raise DeadReferenceError("gone")
        Range("bytes", [(offset, offset + length)])
        return self.server.shares[self.number][offset : offset + length]

    def advise_corrupt_share(self, _reason):
        self.server.advised.add(self.number)


class Writer:
    """One immutable share that is being uploaded."""

    def __init__(self, server, number):
        self.server = server
        self.number = number
        self.data = bytearray()

    def callRemote(self, name, *arguments):
        return self.server.later(getattr(self, name), *arguments)

    def write(self, offset, data):
        assert offset == len(self.data)
        self.data += data

    def close(self):
        self.server.shares[self.number] = bytes(self.data)

    def abort(self):
        pass


class Server(MemoryServer):
    """One storage index, of either kind. A failing server answers nothing, a dying one its first request."""

    version = VERSION

    def __init__(self, number, requests):
        super().__init__(number, requests)
        self.failing = False
        self.dies = False
        self.advised = set()
        self.leases = 0
        self.reads = 0

    def later(self, function, *arguments, **named):
        return fireEventually().addCallback(lambda _: maybeDeferred(function, *arguments, **named))

    def callRemote(self, name, *arguments, **named):
        if self.failing:
            return fireEventually().addCallback(lambda _: fail(DeadReferenceError("stopped")))
        return self.later(getattr(self, name), *arguments, **named)

    def dontNotifyOnDisconnect(self, *_):
        pass

    def notifyOnDisconnect(self, *_):
        pass

    def get_version(self):
        return VERSION

    def get_buckets(self, _storage_index):
        return {number: Reader(self, number) for number in self.shares}

    def allocate_buckets(self, _storage_index, _renew, _cancel, numbers, _size, _canary):
        return set(self.shares), {number: Writer(self, number) for number in numbers - set(self.shares)}

    def slot_readv(self, *arguments):
        self.reads += 1
        if self.dies and self.reads > 1:
            raise DeadReferenceError("gone")
        return super().slot_readv(*arguments)

    def add_lease(self, *_):
        self.leases += 1

    def advise_corrupt_share(self, _kind, _storage_index, number, _reason):
        self.advised.add(number)

def server_facts(number):
    """What a client knows of a server."""
    seed = base32.b2a(digest(b"server %d" % number)[:20]).decode()
    return {
        "id": "v0-" + base32.b2a(digest(b"key of server %d" % number)).decode(),
        "name": base32.b2a(digest(b"key of server %d" % number)).decode()[:8],
        "seed": seed,
    }


class Grid:
    """Servers in memory, and nodes on them."""

    def __init__(self, count=10):
        self.facts = [server_facts(number) for number in range(count)]
        self.broker = StorageFarmBroker(True, None, config_from_string("/dev/null", "", ""))
        self.requests = []
        self.servers = [Server(number, self.requests) for number in range(count)]
        for server, facts in zip(self.servers, self.facts, strict=True):
            announcement = {
                "anonymous-storage-FURL": f"pb://{facts['seed']}@nowhere/fake",
                "permutation-seed-base32": facts["seed"],
            }
            self.broker.test_add_rref(facts["id"].encode(), server, announcement)
        self.numbers = {facts["id"]: number for number, facts in enumerate(self.facts)}

    def node_maker(self, uploader=None):
        encoding = {"k": 3, "n": 10}
        return NodeMaker(
            self.broker, SECRETS, None, uploader, Terminator(), encoding, SDMF_VERSION, None
        )

    def node_of(self, cap):
        return self.node_maker().create_from_cap(cap)

    def place(self, case, share_of):
        """Lays out the shares of a case, then damages them."""
        for server, number, *source in case["shares"]:
            self.servers[server].shares[number] = share_of(number, *source)
        for server, number, kind, *arguments in case["damage"]:
            shares = self.servers[server].shares
            shares[number] = damaged(shares[number], kind, arguments)
        for server in case.get("failing", []):
            self.servers[server].failing = True
        for server in case.get("dying", []):
            self.servers[server].dies = True

    def shares(self):
        return {(s.number, number): data for s in self.servers for number, data in s.shares.items()}

    def numbered(self, value):
        """The same with the number of a server wherever its id stands."""
        if isinstance(value, bytes):
            value = value.decode()
        if isinstance(value, str):
            return self.numbers.get(value, value)
        if isinstance(value, dict):
            return {key: self.numbered(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.numbered(item) for item in value]
        return value

    def told(self, results):
        """What the web API says of results, and the report; lists in rising order."""
        said = self.numbered(json_check_results(results))
        counts = said["results"]
        counts["servers-responding"].sort()
        counts["sharemap"] = {
            str(share): sorted(servers) for share, servers in sorted(counts["sharemap"].items())
        }
        counts["list-corrupt-shares"] = sorted(
            [server, number] for server, _, number in counts["list-corrupt-shares"]
        )
        incompatible = sorted(
            [self.numbers[server.get_longname().decode()], number]
            for server, _, number in results.get_incompatible_shares()
        )
        del said["storage-index"]
        said["summary"] = in_order(said["summary"].split(" "), "Shares:", " ")
        report = [without_chance(line) for line in results.get_report()]
        report = in_order(report, "Corrupt Shares:")
        return said | {"incompatible": incompatible, "report": report}

    def told_of_repair(self, results):
        said = json_check_and_repair_results(results)
        return {
            "repair-attempted": said["repair-attempted"],
            "repair-successful": said["repair-successful"],
            "pre-repair-results": self.told(results.get_pre_repair_results()),
            "post-repair-results": self.told(results.get_post_repair_results()),
        }


def in_order(words, last, joint=None):
    """Upstream names corrupt shares in the order of their places in its memory; here they rise."""
    at = words.index(last) + 1 if last in words else len(words)
    ordered = words[:at] + sorted(words[at:])
    return ordered if joint is None else joint.join(ordered)


def without_chance(line):
    """Versions come in the order of a set, and so do shares of which one makes another seem wrong."""
    if line.startswith(" "):
        return line.split(":")[0]
    kind, colon, versions = line.partition("ecoverable Versions: ")
    return kind + colon + "/".join(sorted(versions.split("/"))) if colon else line


def damaged(data, kind, arguments):
    if kind == "write":
        offset, piece = arguments
        assert offset + len(piece) <= len(data)
        return data[:offset] + piece + data[offset + len(piece) :]
    if kind == "cut":
        assert arguments[0] < len(data)
        return data[: arguments[0]]
    assert kind == "append"
    return data + arguments[0]


class Outcomes:
    """Different outcomes by their numbers."""

    def __init__(self):
        self.all = []

    def number(self, outcome):
        if outcome not in self.all:
            self.all.append(outcome)
        return self.all.index(outcome)


async def outcome(deferred, tell):
    """What an operation says, or the name of the error with which it ends."""
    try:
        return tell(await deferred)
    except Exception as error:
        return {"error": type(error).__name__}

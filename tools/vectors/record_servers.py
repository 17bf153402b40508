"""Which servers a client asks, and in which order."""

import hashlib

from common import write_json

from allmydata.storage_client import (
    StorageClientConfig,
    StorageFarmBroker,
    _parse_announcement,
)
from allmydata.util import base32


def digest(text):
    return hashlib.sha256(text.encode("ascii")).digest()


def announced(number):
    """A server id and its announcement; every third has no permutation seed of its own."""
    server_id = b"v0-" + base32.b2a(digest("server %d" % number))
    tub_id = base32.b2a(digest("tub %d" % number)[:20])
    furl = "pb://%s@tcp:127.0.0.1:1/swissnum" % tub_id.decode("ascii")
    ann = {"nickname": "server %d" % number, "anonymous-storage-FURL": furl}
    if number % 3:
        ann["permutation-seed-base32"] = base32.b2a(digest("seed %d" % number)[:20]).decode()
    return server_id, ann


class Server:
    """As much of a server as the broker needs in order to sort it."""

    def __init__(self, server_id, ann):
        furl = ann["anonymous-storage-FURL"].encode("ascii")
        parsed = _parse_announcement(server_id, furl, ann)
        _, self.seed, self.tubid, self.name, self.long_name = parsed

    def on_status_changed(self, _):
        pass

    def is_connected(self):
        return True

    def upload_permitted(self):
        return True

    def get_permutation_seed(self):
        return self.seed

    def get_longname(self):
        return self.long_name


def record_announcements():
    cases = []
    for number in range(6):
        server_id, ann = announced(number)
        server = Server(server_id, ann)
        cases.append(
            {
                "serverId": server_id.decode("ascii"),
                "announcement": ann,
                "permutationSeed": server.seed,
                "tubId": server.tubid,
                "name": server.name.decode("ascii"),
                "longName": server.long_name.decode("ascii"),
            }
        )
    write_json(
        "servers/announcements.json",
        "What a client makes of an announcement: the seed that orders the server, the TubID that"
        " seeds its lease secrets, and its names.",
        cases=cases,
    )


def record_permutations():
    cases = []
    for count in [1, 2, 5, 25]:
        for preferred in [[], [0], [count - 1, count // 2]]:
            chosen = sorted(set(preferred))
            ids = [announced(number)[0] for number in range(count)]
            config = StorageClientConfig(preferred_peers=[ids[number] for number in chosen])
            broker = StorageFarmBroker(True, None, None, config)
            for number in range(count):
                server_id, ann = announced(number)
                broker.test_add_server(server_id, Server(server_id, ann))
            for index in range(4):
                storage_index = digest("storage index %d" % index)[:16]
                order = broker.get_servers_for_psi(storage_index)
                cases.append(
                    {
                        "servers": count,
                        "preferred": chosen,
                        "storageIndex": storage_index,
                        "order": [ids.index(server.long_name) for server in order],
                    }
                )
    write_json(
        "servers/permutations.json",
        "The order in which a client asks the first `servers` entries of `announcements` for a"
        " storage index; preferred and order hold positions in that list.",
        announcements=[
            {"serverId": server_id.decode("ascii"), "announcement": ann}
            for server_id, ann in map(announced, range(25))
        ],
        cases=cases,
    )


record_announcements()
record_permutations()

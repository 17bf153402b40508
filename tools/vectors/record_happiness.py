"""Asks upstream where it would place shares, for random small grids and for those of its own tests.

Upstream walks over sets of server ids, whose order changes with each run of Python. Here each set
that its placement makes is walked in rising order, so that there is one answer; everything else is
upstream's own code. Whether the *number* of servers in use depends on that order was never seen.
"""

import random

from allmydata.immutable import happiness_upload
from allmydata.util import happinessutil

from common import write_json


class RisingSet(set):
    """A set that is walked from its least element to its greatest."""

    def __iter__(self):
        return iter(sorted(super().__iter__()))

    def __sub__(self, other):
        return RisingSet(super().__sub__(other))


happiness_upload.set = RisingSet


def placement(peers, readonly, shares, held):
    answer = happiness_upload.share_placement(
        RisingSet(peers), RisingSet(readonly), RisingSet(shares),
        {peer: RisingSet(numbers) for peer, numbers in held.items()},
    )
    return {
        "peers": sorted(peers),
        "readonly": sorted(readonly),
        "shares": len(shares),
        "held": [[peer, sorted(numbers)] for peer, numbers in held.items()],
        "placement": [[share, answer[share]] for share in sorted(answer)],
        "happiness": happiness_upload.calculate_happiness(answer),
    }


def random_grid(rng):
    names = [f"v0-{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(rng.randint(1, 14))]
    rng.shuffle(names)
    readonly = {n for n in names if rng.random() < rng.choice([0, 0.2, 0.6])}
    peers = set(names) - readonly
    total = rng.randint(1, 16)
    density = rng.choice([0, 0.05, 0.2, 0.5])
    held = {}
    for name in names:
        numbers = {share for share in range(total) if rng.random() < density}
        if numbers:
            held[name] = numbers
    return peers, readonly, set(range(total)), held


def known_grids():
    """The grids of upstream's test_happiness.py and of its specification."""
    ids = [f"peer{i}" for i in range(10)]
    yield set(ids), set(), set(range(10)), {}
    yield set(ids[:4]), set(), set(range(10)), {}
    yield set(ids), set(), set(range(4)), {}
    yield {"peer0", "peer1"}, set(), {0, 1, 2}, {"peer0": {0}, "peer1": {1, 2}}
    yield {"peer0", "peer1", "peer2", "peer3"}, {"peer0"}, {0, 1, 2}, {"peer0": {0}, "peer1": {2}}
    yield ({"peer0", "peer1", "peer2", "peer3"}, {"peer0"}, {0, 1, 2, 3},
           {"peer0": {0}, "peer1": {2}})
    yield {"peer0"}, {"peer1"}, {0, 1}, {"peer1": {0, 1}}
    yield set(), {"peer1"}, {0, 1}, {"peer1": {0, 1}}
    yield ({f"peer{i}" for i in range(5)}, set(), set(range(7)),
           {"peer0": {1, 2, 3, 4}, "peer1": {6}, "peer2": {3}, "peer3": {4}, "peer4": {2}})


def share_map(rng):
    servers = [f"v0-{i:02d}" for i in range(rng.randint(0, 10))]
    mapping = {}
    for share in range(rng.randint(0, 12)):
        holders = {s for s in servers if rng.random() < rng.choice([0.1, 0.3])}
        if holders:
            mapping[share] = holders
    return mapping


def main():
    rng = random.Random(20260101)
    grids = [placement(*grid) for grid in known_grids()]
    while len(grids) < 600:
        peers, readonly, shares, held = random_grid(rng)
        grids.append(placement(peers, readonly, shares, held))
    write_json(
        "happiness/placement.json",
        "Where share_placement puts each share of a grid, every set walked in rising order; held is"
        " in the order in which the servers answered.",
        cases=grids,
    )
    maps = [share_map(rng) for _ in range(300)]
    write_json(
        "happiness/happiness.json",
        "The servers of happiness of a share map (share number, ids of its servers).",
        cases=[
            {"shareMap": [[share, sorted(m[share])] for share in sorted(m)],
             "happiness": happinessutil.servers_of_happiness(m)}
            for m in maps
        ],
    )
    write_json(
        "happiness/messages.json",
        "What failure_message says for (servers with shares, k, happy, servers of happiness).",
        cases=[
            {"arguments": [p, k, h, e], "message": happinessutil.failure_message(p, k, h, e)}
            for p, k, h, e in [(0, 1, 1, 0), (2, 3, 7, 2), (3, 3, 7, 2), (5, 3, 7, 3), (6, 3, 7, 6),
                               (9, 3, 10, 9), (1, 2, 2, 1)]
        ],
    )


main()

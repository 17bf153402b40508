"""The crawlers of upstream's storage server: their state and history files over a folder of shares, and
what they delete.

Time stands still unless a case moves it, and what `stat` says of space is what a file system of 4 KiB
blocks would say.
"""

import json
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

from common import write_json
from twisted.internet.task import Clock

from allmydata.storage import crawler, expirer, immutable_schema, lease, mutable_schema
from allmydata.storage.common import si_b2a, storage_index_to_dir
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile
from allmydata.storage.server import StorageServer

DAY = 24 * 60 * 60
START = 1_700_000_000
NODE_ID = bytes(range(100, 120))
NOW = START + 100 * DAY
TIME = SimpleNamespace(now=NOW, time=lambda: TIME.now)
for module in (crawler, expirer, lease):
    module.time = TIME


def secret(name):
    return sha256(name.encode()).digest()


def index(name, prefix):
    """A storage index whose base32 begins with that of this byte."""
    return bytes([prefix]) + sha256(name.encode()).digest()[:15]


class Folder:
    """A storage folder that is being filled; each step at its day."""

    def __init__(self, path):
        self.path = path
        self.clock = Clock()
        self.server = StorageServer(str(path), NODE_ID, clock=self.clock)

    def at(self, day):
        self.clock.rightNow = START + day * DAY

    def slot(self, storage_index):
        return self.path / "shares" / storage_index_to_dir(storage_index)

    def upload(self, storage_index, numbers, size, who="a"):
        _, writers = self.server.allocate_buckets(
            storage_index, secret(f"renew {who}"), secret(f"cancel {who}"), set(numbers), size)
        for writer in writers.values():
            writer.write(0, b"x" * size)
            writer.close()

    def renew(self, storage_index, who):
        self.server.add_lease(storage_index, secret(f"renew {who}"), secret(f"cancel {who}"))

    def write(self, storage_index, numbers, size, who="a"):
        secrets = (secret("enabler"), secret(f"renew {who}"), secret(f"cancel {who}"))
        changes = {number: ([], [(0, b"m" * size)], None) for number in numbers}
        assert self.server.slot_testv_and_readv_and_writev(storage_index, secrets, changes, [])[0]


def fill(path):
    """Shares whose last lease began this many days before NOW: 100, 60, 40, 20, 10, 1, 0 or never."""
    folder = Folder(path)
    folder.at(0)
    folder.upload(index("old", 0), [0], 10)
    folder.upload(index("two in one bucket", 3), [1, 4], 200)
    folder.write(index("old slot", 20), [2], 300)
    folder.write(index("slot with many leases", 21), [0, 7], 1000)
    folder.upload(index("renewed", 40), [3], 20)
    folder.upload(index("with two leases", 41), [6], 30)
    folder.upload(index("without leases", 90), [0], 40)
    folder.upload(index("cut", 120), [5], 50)
    folder.upload(index("of an unknown version", 121), [5], 50)
    folder.write(index("slot of an unknown version", 122), [1], 60)
    folder.upload(index("beside a stray file", 150), [9], 70)
    folder.at(40)
    folder.renew(index("with two leases", 41), "b")
    folder.upload(index("of 60 days", 180), [0], 5000)
    folder.at(60)
    folder.write(index("slot of 40 days", 181), [0, 1], 4000)
    folder.renew(index("slot with many leases", 21), "b")
    folder.at(80)
    folder.upload(index("of 20 days", 200), [0, 1, 2], 100)
    for who in "cdefg":
        folder.renew(index("slot with many leases", 21), who)
    folder.at(90)
    folder.write(index("slot of 10 days", 220), [3], 10)
    folder.renew(index("renewed", 40), "a")
    folder.at(99)
    folder.upload(index("of a day", 250), [0], 10)
    folder.at(100)
    folder.upload(index("of this moment", 255), [0], 10)

    slot = folder.slot(index("without leases", 90))
    share = slot / "0"
    data = share.read_bytes()
    share.write_bytes(data[:8] + bytes(4) + data[12 : 12 + 40])
    cut = folder.slot(index("cut", 120)) / "5"
    cut.write_bytes(cut.read_bytes()[:7])
    for name, prefix, number, bad in [
        ("of an unknown version", 121, "5", b"\0\0\0\x09"),
        ("slot of an unknown version", 122, "1", b"Tahoe mutable container v9\n"),
    ]:
        damaged = folder.slot(index(name, prefix)) / number
        damaged.write_bytes(bad + damaged.read_bytes()[len(bad) :])
    (folder.slot(index("beside a stray file", 150)) / "notes.txt").write_bytes(b"not a share\n")
    first = LeaseInfo(1, secret("renew a"), secret("cancel a"), START + 31 * DAY, NODE_ID)
    slot = folder.slot(index("container of version 1", 170))
    slot.mkdir(parents=True)
    old = ShareFile(str(slot / "0"), 20, True, schema=immutable_schema.schema_from_version(1))
    old.add_lease(first)
    old.write_share_data(0, b"from version 1 of it")
    slot = folder.slot(index("mutable container of version 1", 171))
    slot.mkdir(parents=True)
    schema = next(one for one in mutable_schema.ALL_SCHEMAS if one.version == 1)
    old = MutableShareFile(str(slot / "0"), schema=schema)
    old.create(NODE_ID, secret("enabler"))
    old.add_lease(1 << 20, first)
    old.writev([(0, b"from version 1")], None)
    folder.slot(index("empty bucket", 172)).mkdir(parents=True)


def files_of(path):
    shares = path / "shares"
    return {
        str(file.relative_to(shares)): file.read_bytes()
        for file in sorted(shares.rglob("*")) if file.is_file()
    }


def stat(path):
    path = Path(path)
    size = 4096 if path.is_dir() else path.stat().st_size
    return SimpleNamespace(st_size=size, st_blocks=-(-size // 4096) * 8)


def lease_checker(path, policy):
    server = SimpleNamespace(sharedir=str(path / "shares"))
    checker = expirer.LeaseCheckingCrawler(
        server, str(path / "lease_checker.state"), str(path / "lease_checker.history"),
        policy["enabled"], policy["mode"], policy["overrideLeaseDuration"], policy["cutoffDate"],
        tuple(policy["shareTypes"]))
    checker.stat = stat
    return checker


def run_slice(one, whole):
    """One slice: until the end of the cycle, or of what was begun. Says whether the cycle ended."""
    one.cpu_slice = 1e9 if whole else 0
    try:
        one.start_current_prefix(TIME.now)
        ended = True
    except crawler.TimeSliceExceeded:
        ended = False
    one.save_state()
    return ended


def read_json(path):
    return json.loads(path.read_text())


def kept(path):
    """The two files of the lease checker; the state holds a copy of the history, which is left out."""
    state, history = (read_json(path / f"lease_checker.{one}.json") for one in ("state", "history"))
    assert state.pop("history") == history
    return {"state": state, "history": history}


def policy(name, enabled=True, mode="age", override=None, cutoff=None, kinds=("mutable", "immutable")):
    return {
        "name": name, "enabled": enabled, "mode": mode, "overrideLeaseDuration": override,
        "cutoffDate": cutoff, "shareTypes": list(kinds),
    }


POLICIES = [
    policy("nothing expires", enabled=False),
    policy("by age"),
    policy("by an age of 31 days", override=31 * DAY),
    policy("by an age of 31 days, only looked at", enabled=False, override=31 * DAY),
    policy("by an age of 15 days", override=15 * DAY),
    policy("by an age of 0", override=0),
    policy("by an age of 1000 days", override=1000 * DAY),
    policy("by a date 50 days ago", mode="cutoff-date", cutoff=NOW - 50 * DAY),
    policy("by a date 50 days ago, only looked at", enabled=False, mode="cutoff-date", cutoff=NOW - 50 * DAY),
    policy("by the date of this moment", mode="cutoff-date", cutoff=NOW),
    policy("by a date, immutable shares alone", mode="cutoff-date", cutoff=NOW - 5 * DAY, kinds=["immutable"]),
    policy("by a date, mutable shares alone", mode="cutoff-date", cutoff=NOW - 5 * DAY, kinds=["mutable"]),
    policy("by an age, immutable shares alone", override=31 * DAY, kinds=["immutable"]),
    policy("by an age, mutable shares alone", override=31 * DAY, kinds=["mutable"]),
]


def changed(path, before):
    """What is left of the files: null where one is gone, its new content where it is another."""
    after = files_of(path)
    return {name: after.get(name) for name in before if after.get(name) != before[name]}


def lease_case(template, one):
    """Two whole cycles, the second one a day later."""
    with tempfile.TemporaryDirectory(prefix="lafs-crawlers-") as name:
        path = Path(name) / "storage"
        shutil.copytree(template, path)
        before = files_of(path)
        cycles = []
        for day in range(2):
            TIME.now = NOW + day * DAY
            checker = lease_checker(path, one)
            assert run_slice(checker, True)
            found = kept(path)
            assert list(found["history"]) == [str(number) for number in range(day + 1)]
            found["history"] = {str(day): found["history"][str(day)]}
            cycles.append({"time": TIME.now, **found, "changed": changed(path, before)})
            before = files_of(path)
        TIME.now = NOW
        return {"policy": one, "cycles": cycles}


def progress(checker):
    """What the status page says of it: its state is the file's."""
    assert json.loads(json.dumps(checker.get_state())) == checker._state_serializer.load()
    return checker.get_progress()


def sliced_case(template, one, stops):
    """One cycle in slices of one bucket or prefix; what is kept and told after some of them."""
    with tempfile.TemporaryDirectory(prefix="lafs-crawlers-") as name:
        path = Path(name) / "storage"
        shutil.copytree(template, path)
        before = files_of(path)
        checker = lease_checker(path, one)
        slices, count = [], 0
        while not run_slice(checker, False):
            count += 1
            if count in stops:
                slices.append({
                    "slice": count, **kept(path), "progress": progress(checker),
                    "changed": changed(path, before), "continued": continued(path, one),
                })
        end = {**kept(path), "progress": progress(checker), "changed": changed(path, before)}
        return {"policy": one, "slices": slices, "sliceCount": count, "end": end}


def continued(path, one):
    """How upstream itself goes on from its files of an unfinished cycle, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="lafs-crawlers-") as name:
        other = Path(name) / "storage"
        shutil.copytree(path, other)
        try:
            run_slice(lease_checker(other, one), True)
        except Exception as error:
            return {"error": type(error).__name__}
        return kept(other)


def bucket_counter(path):
    server = SimpleNamespace(sharedir=str(path / "shares"))
    return crawler.BucketCountingCrawler(server, str(path / "bucket_counter.state"))


def bucket_case(template):
    """Whole cycles, one that is stopped on its way, and how another process goes on from there."""
    steps = []
    with tempfile.TemporaryDirectory(prefix="lafs-crawlers-") as name:
        path = Path(name) / "storage"
        shutil.copytree(template, path)

        def note(what, counter):
            state = (path / "bucket_counter.state.json").read_text()
            steps.append({"after": what, "time": TIME.now, "file": state, "progress": counter.get_progress()})

        counter = bucket_counter(path)
        for _ in range(100):
            assert not run_slice(counter, False)
        note("100 prefixes of cycle 0", counter)
        counter = bucket_counter(path)
        assert run_slice(counter, True)
        note("the rest of cycle 0 in another process", counter)
        TIME.now = NOW + DAY
        assert run_slice(counter, True)
        note("cycle 1 in the same process", counter)
        TIME.now = NOW
    return steps


def main():
    with tempfile.TemporaryDirectory(prefix="lafs-crawlers-") as name:
        template = Path(name) / "storage"
        fill(template)
        files = files_of(template)
        for left in ("lease_checker.state.json", "lease_checker.history.json", "bucket_counter.state.json"):
            (template / left).unlink(missing_ok=True)
        stops = [1, 30, 97, 700, 1000]
        write_json(
            "crawlers/leases.json",
            "What upstream's lease checker does to a folder of shares (files below 'shares/', and a bucket that is "
            "empty) at the time 'now', in seconds. A case has two whole cycles, a day apart: the files "
            "lease_checker.state.json, without the copy of the history in it, and lease_checker.history.json, "
            "without its earlier cycles, and which share files changed in that cycle (null: deleted). 'sliced' has "
            "one cycle in slices that each end after one bucket or prefix: the same after some of them, counted "
            "from 1, with what the checker tells of its progress while nothing sleeps and time stands still, and "
            "what upstream itself makes of those files in a new process: what it writes, or the error with which "
            "it stops. Sizes on disk are those of blocks of 4096 bytes, one of them for a bucket's folder.",
            now=NOW,
            files=[{"path": path, "data": data} for path, data in files.items()],
            emptyBuckets=[si_b2a(index("empty bucket", 172))],
            cases=[lease_case(template, one) for one in POLICIES],
            sliced=[sliced_case(template, one, stops) for one in (POLICIES[3], POLICIES[7])],
        )
        write_json(
            "crawlers/buckets.json",
            "What upstream's bucket counter writes of the same folder: bucket_counter.state.json as text (where a "
            "cycle is continued by another process, the key of its counts is there twice: once as it was read, and "
            "once as it is counted), and its progress while nothing sleeps and time stands still.",
            steps=bucket_case(template),
        )


main()

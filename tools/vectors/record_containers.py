"""Share containers: the bytes that upstream's storage server keeps after each of a row of operations."""

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random

from allmydata.storage import immutable_schema, mutable_schema
from allmydata.storage.common import si_b2a, storage_index_to_dir
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile
from allmydata.storage.server import StorageServer, get_corruption_report_path, render_corruption_report
from allmydata.util.time_format import iso_utc
from twisted.internet.task import Clock

from common import write_json

START = 1_700_000_000
NODE_ID = bytes(range(100, 120))
MONTH = 31 * 24 * 60 * 60


def secret(name: str) -> bytes:
    return sha256(name.encode()).digest()


class Recorder:
    """One storage index on one server, and what was done to it."""

    def __init__(self, name: str):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="lafs-containers-"))
        self.clock = Clock()
        self.clock.advance(START)
        self.server = StorageServer(str(self.folder), NODE_ID, clock=self.clock)
        self.storage_index = sha256(name.encode()).digest()[:16]
        self.slot = self.folder / "shares" / storage_index_to_dir(self.storage_index)
        self.initial = None
        self.steps = []

    def files(self) -> dict:
        if not self.slot.is_dir():
            return {}
        return {p.name: p.read_bytes() for p in sorted(self.slot.iterdir(), key=lambda p: int(p.name))}

    def note(self, operation: str, **fields) -> None:
        hashes = {n: sha256(data).digest() for n, data in self.files().items()}
        time = int(self.clock.seconds())
        self.steps.append({"do": operation, "time": time, **fields, "sha256": hashes})

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def start_from_version_1(self, write) -> None:
        """Lays down shares of the old version, which upstream still extends but no longer makes."""
        self.slot.mkdir(parents=True)
        write(self.slot)
        self.initial = self.files()

    def upload(self, share: int, data: bytes, who: str) -> None:
        renew, cancel = secret(f"renew {who}"), secret(f"cancel {who}")
        _, writers = self.server.allocate_buckets(
            self.storage_index, renew, cancel, {share}, len(data))
        for writer in writers.values():
            if data:
                writer.write(0, data)
            writer.close()
        self.note("upload", share=share, data=data, renewSecret=renew, cancelSecret=cancel)

    def add_lease(self, who: str) -> None:
        renew, cancel = secret(f"renew {who}"), secret(f"cancel {who}")
        self.server.add_lease(self.storage_index, renew, cancel)
        self.note("addLease", renewSecret=renew, cancelSecret=cancel)

    def write(self, vectors: dict, who: str) -> None:
        enabler, renew, cancel = secret("enabler"), secret(f"renew {who}"), secret(f"cancel {who}")
        wrote, _ = self.server.slot_testv_and_readv_and_writev(
            self.storage_index, (enabler, renew, cancel),
            {share: ([], writes, length) for share, (writes, length) in vectors.items()}, [])
        assert wrote
        self.note(
            "write", writeEnabler=enabler, renewSecret=renew, cancelSecret=cancel,
            shares=[{
                "share": share,
                "writes": [{"offset": offset, "data": data} for offset, data in writes],
                "newLength": length,
            } for share, (writes, length) in vectors.items()])

    def case(self) -> dict:
        leases = {}
        for n in self.files():
            path = str(self.slot / n)
            kind = MutableShareFile if self.files()[n].startswith(b"Tahoe") else ShareFile
            leases[n] = [[lease.owner_num, lease.get_expiration_time()] for lease in kind(path).get_leases()]
        case = {
            "name": self.name, "storageIndex": self.storage_index, "nodeId": NODE_ID,
            "path": str(self.slot.relative_to(self.folder)),
            "initial": self.initial or {}, "steps": self.steps, "files": self.files(), "leases": leases,
        }
        shutil.rmtree(self.folder)
        return case


def immutable_cases():
    case = Recorder("immutable v2, one lease")
    case.upload(0, b"0123456789", "a")
    yield case.case()

    case = Recorder("immutable v2, empty")
    case.upload(3, b"", "a")
    case.add_lease("b")
    yield case.case()

    case = Recorder("immutable v2, several shares, leases and renewals")
    for share in (0, 7, 255):
        case.upload(share, bytes(range(share % 50, 200)), "a")
        case.wait(10)
    for who in ("a", "b", "c", "b", "d", "e", "a"):
        case.add_lease(who)
        case.wait(1000)
    case.upload(9, b"found the others there", "f")
    yield case.case()

    case = Recorder("immutable v1, leases and renewals")

    def version_1(folder):
        schema = immutable_schema.schema_from_version(1)
        for share, data in ((0, b"an old share"), (1, b"")):
            file = ShareFile(str(folder / str(share)), max_size=len(data), create=True, schema=schema)
            file.write_share_data(0, data)
            for who in ("a", "b"):
                file.add_lease(LeaseInfo(0, secret(f"renew {who}"), secret(f"cancel {who}"), START, NODE_ID))
    case.start_from_version_1(version_1)
    for who in ("c", "b", "a"):
        case.add_lease(who)
        case.wait(77)
    yield case.case()


def mutable_cases():
    case = Recorder("mutable v2, one write")
    case.write({0: ([(0, b"abcdefg")], None)}, "a")
    yield case.case()

    case = Recorder("mutable v2, many leases, growth and deletion")
    case.write({0: ([(0, b"abcdefg")], 7), 5: ([], None)}, "a")
    for who in "bcdefgh":
        case.wait(5)
        case.add_lease(who)
    case.write({0: ([(3, b"grown past the leases" * 30)], None)}, "i")
    case.write({0: ([(0, b"short")], 5)}, "b")
    case.write({0: ([(100, b"a hole before")], None)}, "c")
    case.write({0: ([(1000, b"")], None)}, "c")
    case.write({0: ([(5, b"x")], 2000), 5: ([], 0), 9: ([], 0)}, "a")
    case.wait(MONTH)
    case.add_lease("h")
    case.write({0: ([(0, b"ignored")], 0)}, "a")
    case.write({1: ([(3, b"made anew")], 8)}, "a")
    yield case.case()

    for version in (1, 2):
        for seed in range(6):
            random = Random(f"{version} {seed}")
            case = Recorder(f"mutable v{version}, random operations {seed}")
            if version == 1:
                def version_1(folder):
                    schema = mutable_schema.ALL_SCHEMAS
                    [schema] = [s for s in schema if s.version == 1]
                    for share in (0, 1):
                        MutableShareFile(str(folder / str(share)), schema=schema).create(NODE_ID, secret("enabler"))
                case.start_from_version_1(version_1)
            for _ in range(14):
                case.wait(random.randrange(1000))
                who = random.choice("abcdefgh")
                if random.random() < 0.3:
                    case.add_lease(who)
                    continue
                vectors = {}
                for share in random.sample(range(3), random.randrange(1, 3)):
                    writes = [
                        (random.randrange(600), random.randbytes(random.choice((0, 1, 30, 400))))
                        for _ in range(random.randrange(4))]
                    length = random.choice((None, None, None, 0, 10, 500))
                    vectors[share] = (writes, length)
                case.write(vectors, who)
            yield case.case()


def advisory_cases():
    for microseconds, kind, share, reason in (
            (1_700_000_000_000_000, "immutable", 0, "a hash does not match"),
            (1_767_323_045_678_000, "mutable", 255, "two lines\nand a brace {x}"),
            (1_767_323_045_000_001, "immutable", 7, "ünïcode \u2603")):
        storage_index = si_b2a(secret(reason)[:16])
        now = iso_utc(microseconds / 1_000_000, sep="T")
        yield {
            "microseconds": microseconds, "kind": kind, "storageIndex": storage_index.decode(),
            "share": share, "reason": reason,
            "name": get_corruption_report_path("", now, storage_index.decode(), share),
            "text": render_corruption_report(kind.encode(), storage_index, share, reason.encode()),
        }


write_json(
    "containers/advisories.json",
    "Reports of bad shares: the name of the file and its text; `storageIndex` is in base32.",
    cases=list(advisory_cases()))
write_json(
    "containers/immutable.json",
    "Immutable share containers after rows of operations; `sha256` is of each file after a step,"
    " `leases` are (owner, end) pairs, `initial` are files from before.",
    cases=list(immutable_cases()))
write_json(
    "containers/mutable.json",
    "Mutable share containers after rows of operations; `sha256` is of each file after a step,"
    " `leases` are (owner, end) pairs, `initial` are files from before.",
    cases=list(mutable_cases()))

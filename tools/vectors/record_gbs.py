"""The storage protocol over HTTP: what upstream's server answers to good and bad requests, the bytes of
its messages, and the pins of its certificates' keys.

The requests go to `allmydata.storage.http_server.HTTPServer` over a socket, in the order in which they
are recorded: the later ones depend on what the earlier ones stored.
"""

import base64
import http.client
import tempfile
import threading
from pathlib import Path

import allmydata
import yaml
from cbor2 import CBORTag
from common import write_json
from twisted.internet import reactor
from twisted.web.server import Site
from werkzeug.datastructures import ContentRange, Range

from allmydata.storage.http_common import Secrets, swissnum_auth_header
from allmydata.storage.http_server import HTTPServer
from allmydata.storage.server import StorageServer
from allmydata.util import base32
from allmydata.util.cbor import dumps

SWISSNUM = b"abcdefghijklmnop"
RENEW, CANCEL, UPLOAD, ENABLER = b"r" * 32, b"c" * 32, b"u" * 20, b"w" * 32
OTHER = b"X" * 32


def secrets(**values):
    return [["x-tahoe-authorization", f"{k.replace('_', '-')} {base64.b64encode(v).decode()}"] for k, v in values.items()]


LEASE = dict(lease_renew_secret=RENEW, lease_cancel_secret=CANCEL)
ALLOCATE = secrets(**LEASE, upload_secret=UPLOAD)
UP = secrets(upload_secret=UPLOAD)
RTW = secrets(**LEASE, write_enabler=ENABLER)


def si(number):
    return base32.b2a(bytes([number]) * 16).decode()


def share_vectors(**fields):
    vectors = {"test": [], "write": [], "new-length": None}
    vectors.update({key.replace("_", "-"): value for key, value in fields.items()})
    return vectors


class Recorder:
    def __init__(self, port):
        self.port = port
        self.cases = []

    def __call__(self, name, method, path, headers=(), body=None, authorization="right"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_accept_encoding=True)
        sent = {"right": swissnum_auth_header(SWISSNUM).decode(), None: None}.get(authorization, authorization)
        if sent is not None:
            connection.putheader("authorization", sent)
        for key, value in headers:
            connection.putheader(key, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        if body is not None:
            connection.send(body)
        response = connection.getresponse()
        data = response.read()
        got = {key.lower(): value for key, value in response.getheaders()}
        case = {"name": name, "method": method, "path": path, "headers": [list(h) for h in headers]}
        if sent is not None:
            case["headers"].insert(0, ["authorization", sent])
        # Long bodies are runs of one byte in all but their ends.
        if body is not None:
            case["body"] = body if len(body) < 4000 else {"repeat": body[-1:], "times": len(body)} if len(set(body)) == 1 else body
        case["status"] = response.status
        if 200 <= response.status < 300:
            case["contentType"] = got.get("content-type")
            case["contentRange"] = got.get("content-range")
            if not path.endswith("ersion") and "?" not in path:
                case["response"] = data
        self.cases.append(case)


def record_transcript(ask):
    version, imm, mut = "/storage/v1/version", f"/storage/v1/immutable/{si(1)}", f"/storage/v1/mutable/{si(2)}"
    ask("the version", "GET", version)
    ask("HEAD", "HEAD", version)
    ask("a method that is not there", "POST", version)
    ask("a method that is not there, without authorization", "POST", version, authorization=None)
    ask("no authorization", "GET", version, authorization=None)
    for text in ("Tahoe-LAFS eHg=", "tahoe-lafs YWJjZGVmZ2hpamtsbW5vcA==", "Tahoe-LAFS  YWJjZGVmZ2hpamtsbW5vcA==", "Basic YWJjZGVmZ2hpamtsbW5vcA==", "Tahoe-LAFS"):
        ask("another authorization", "GET", version, authorization=text)
    ask("a secret too many", "GET", version, secrets(**LEASE))
    for accept in ("*/*", "application/cbor", "application/json", "application/cbor;q=0.5, application/json", "application/cbor, */*", "*/*, application/cbor", "application/json;q=0.1, application/cbor", "application/*"):
        ask("accept", "GET", version, [["accept", accept]])
    ask("nothing there", "GET", "/storage/v1/nothing")
    ask("nothing there, without authorization", "GET", "/storage/v1/nothing", authorization=None)
    ask("a slash too many", "GET", version + "/")
    ask("a query", "GET", version + "?a=b")
    ask("a percent-encoded letter", "GET", "/storage/v1/%76ersion")
    for text in ("a" * 25, "a" * 27, "a" * 25 + "b", "A" * 26, "1" * 26, "a" * 26):
        ask("storage index", "GET", f"/storage/v1/immutable/{text}/shares")
    record_allocations(ask, imm)
    record_writes(ask, imm)
    record_reads(ask, imm)
    record_ends(ask, imm)
    record_corruption(ask, imm)
    record_slots(ask, mut)
    record_corruption(ask, mut)


def record_allocations(ask, imm):
    good = {"share-numbers": {0, 1, 2}, "allocated-size": 10}
    body = dumps(good)
    ask("allocate: a secret is missing", "POST", imm, secrets(**LEASE), body)
    ask("allocate: a secret too many", "POST", imm, ALLOCATE + secrets(write_enabler=ENABLER), body)
    ask("allocate: a short lease secret", "POST", imm, secrets(lease_renew_secret=b"x" * 31, lease_cancel_secret=CANCEL, upload_secret=UPLOAD), body)
    ask("allocate: an empty secret", "POST", imm, secrets(**LEASE) + [["x-tahoe-authorization", "upload-secret "]], body)
    ask("allocate: an unknown secret", "POST", imm, secrets(**LEASE) + [["x-tahoe-authorization", "foo QUJD"]], body)
    ask("allocate: not base64", "POST", imm, secrets(**LEASE) + [["x-tahoe-authorization", "upload-secret !!!!"]], body)
    ask("allocate: base64 without padding", "POST", imm, secrets(**LEASE) + [["x-tahoe-authorization", "upload-secret QUI"]], body)
    ask("allocate: another media type", "POST", imm, ALLOCATE + [["content-type", "application/json"]], body)
    ask("allocate: too large", "POST", imm, ALLOCATE, b"\0" * 8193)
    ask("allocate: empty", "POST", imm, ALLOCATE, b"")
    for number, (name, message) in enumerate(
        {
            "an array instead of a set": {"share-numbers": [0], "allocated-size": 10},
            "a negative share number": {"share-numbers": {-1}, "allocated-size": 10},
            "a negative size": {"share-numbers": {1}, "allocated-size": -10},
            "a float": {"share-numbers": {1}, "allocated-size": 10.0},
            "an unknown key": {"share-numbers": {1}, "allocated-size": 10, "x": 1},
            "a missing key": {"share-numbers": {1}},
            "byte string keys": {b"share-numbers": {1}, b"allocated-size": 10},
            "257 shares": {"share-numbers": CBORTag(258, list(range(257))), "allocated-size": 1},
            "no shares": {"share-numbers": set(), "allocated-size": 1},
            "a set in a set": {"share-numbers": CBORTag(258, CBORTag(258, [1])), "allocated-size": 1},
            "a text for a size": {"share-numbers": {1}, "allocated-size": "1"},
            "an array for all": [1],
            "a set out of order": {"share-numbers": CBORTag(258, [8, 1]), "allocated-size": 1},
            "a set with a repeated entry": {"share-numbers": CBORTag(258, [1, 1]), "allocated-size": 1},
            "a size of 2^64 - 1": {"share-numbers": {1}, "allocated-size": 2**64 - 1},
        }.items()
    ):
        ask(f"allocate: {name}", "POST", f"/storage/v1/immutable/{si(30 + number)}", ALLOCATE, dumps(message))
    for name, data in {
        "cut off": body[:-1],
        "deeply nested": b"\x81" * 8000 + b"\0",
        "an array of 2^64 - 1": b"\x9b" + b"\xff" * 8,
        "bytes of 2^63 - 1": b"\x5b\x7f" + b"\xff" * 7,
        "JSON": b'{"a": 1}',
        "an unknown tag": b"\xd9\xd9\xf7" + body,
    }.items():
        ask(f"allocate: {name}", "POST", imm, ALLOCATE, data)
    ask("allocate", "POST", imm, ALLOCATE, body)
    ask("allocate: again", "POST", imm, ALLOCATE, body)
    ask("allocate: another accept", "POST", f"/storage/v1/immutable/{si(60)}", ALLOCATE + [["accept", "a/b"]], body)


def record_writes(ask, imm):
    def write(name, share, content_range, data, sent=UP, more=()):
        headers = sent + ([["content-range", content_range]] if content_range is not None else []) + list(more)
        ask(f"write: {name}", "PATCH", f"{imm}/{share}", headers, data)

    write("no range", 0, None, b"a")
    write("no range, no upload", 9, None, b"a")
    for text in ("blah 0-1/*", "bytes 5-1/*", "bytes 0-1", "bytes x-y/*", "bytes 0-1/x", "bytes +0-1/*", "bytes0-1/*", "bytes=0-1/*", "Bytes 0-1/*"):
        write("a bad range", 0, text, b"ab")
    write("another secret", 0, "bytes 0-1/*", b"ab", secrets(upload_secret=OTHER))
    write("another secret, no upload", 9, "bytes 0-1/*", b"ab", secrets(upload_secret=OTHER))
    write("no upload", 9, "bytes 0-1/*", b"ab")
    write("no secret", 0, "bytes 0-1/*", b"ab", [])
    write("good", 0, "bytes 0-1/*", b"ab")
    write("with a size", 0, "bytes 2-3/10", b"cd")
    write("with a wrong size", 0, "bytes 4-5/11", b"ef")
    write("other bytes", 0, "bytes 0-1/*", b"xb")
    write("the same bytes", 0, "bytes 0-1/*", b"ab")
    write("another accept", 1, "bytes 0-1/*", b"ab", UP, [["accept", "a/b"]])
    write("the rest", 0, "bytes 6-9/*", b"ghij")
    write("once complete", 0, "bytes 8-9/*", b"ij")


def record_reads(ask, imm):
    ask("read: in progress", "GET", f"{imm}/1")
    ask("list", "GET", f"{imm}/shares")
    ask("list: another accept", "GET", f"{imm}/shares", [["accept", "*/*"]])
    ask("read: whole", "GET", f"{imm}/0")
    for text in ("bytes=0-9", "bytes=0-0", "bytes=2-100", "bytes=10-11", "bytes=9-8", "bytes=5-", "bytes=-5", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=", "bytes=a-b", "bytes=0-1,", "bytes = 0-1", "BYTES=0-1", "bytes=0 - 1", "bytes=99999999999999999999-99999999999999999999999", "bytes=0-99999999999999999999999", "bytes=+0-1", "bytes=0x0-1", "bytes=0-1;x"):
        ask("read: a range", "GET", f"{imm}/0", [["range", text]])
    ask("read: no such share", "GET", f"{imm}/5")
    ask("read: no such share, bad range", "GET", f"{imm}/5", [["range", "junk"]])
    for text in ("99999999999999999999", "00", "-1", "x", "256"):
        ask("read: a share number", "GET", f"{imm}/{text}")
    ask("read: HEAD of a range", "HEAD", f"{imm}/0", [["range", "bytes=0-3"]])
    ask("read: HEAD", "HEAD", f"{imm}/0")


def record_ends(ask, imm):
    for name, share, sent in (("another secret", 1, secrets(upload_secret=OTHER)), ("no upload", 9, UP), ("complete", 0, UP), ("good", 1, UP), ("again", 1, UP), ("no secret", 2, [])):
        ask(f"abort: {name}", "PUT", f"{imm}/{share}/abort", sent)
    lease = secrets(**LEASE)
    ask("lease: good", "PUT", f"/storage/v1/lease/{si(1)}", lease)
    ask("lease: no shares", "PUT", f"/storage/v1/lease/{'a' * 26}", lease)
    ask("lease: no secrets", "PUT", f"/storage/v1/lease/{si(1)}")
    ask("lease: another accept", "PUT", f"/storage/v1/lease/{si(1)}", lease + [["accept", "a/b"]])


def record_corruption(ask, share_path):
    def corrupt(name, share, data, headers=()):
        ask(f"corrupt: {name}", "POST", f"{share_path}/{share}/corrupt", headers, data)

    corrupt("good", 0, dumps({"reason": "bad \u00e9"}))
    corrupt("no such share", 7, dumps({"reason": "x"}))
    corrupt("no such share, junk", 7, b"junk")
    corrupt("an empty reason", 0, dumps({"reason": ""}))
    corrupt("too large", 0, b"\0" * 32769)
    corrupt("another media type", 0, b"{}", [["content-type", "application/json"]])
    corrupt("an unknown key", 0, dumps({"reason": "x", "y": 1}))
    corrupt("not UTF-8", 0, b"\xa1\x66reason\x62\xff\xfe")
    corrupt("a number", 0, dumps({"reason": 1}))
    corrupt("another accept", 0, dumps({"reason": "x"}), [["accept", "a/b"]])


def record_slots(ask, mut):
    def slot(name, message, sent=RTW, more=()):
        data = message if isinstance(message, bytes) else dumps(message)
        ask(f"slot: {name}", "POST", f"{mut}/read-test-write", sent + list(more), data)

    def one(**fields):
        return {"test-write-vectors": {1: share_vectors(**fields)}, "read-vector": []}

    first = {
        "test-write-vectors": {0: share_vectors(test=[{"offset": 0, "size": 1, "specimen": b""}], write=[{"offset": 0, "data": b"0123456789"}])},
        "read-vector": [{"offset": 0, "size": 5}],
    }
    read = {"test-write-vectors": {}, "read-vector": [{"offset": 0, "size": 5}, {"offset": 8, "size": 10}]}
    ask("slot: list of none", "GET", f"{mut}/shares")
    ask("slot: read of none", "GET", f"{mut}/0")
    slot("make a share", first)
    slot("a test that fails", first)
    slot("no write enabler", first, secrets(**LEASE))
    slot("another write enabler", first, secrets(**LEASE, write_enabler=OTHER))
    slot("a short write enabler", first, secrets(**LEASE, write_enabler=b"w" * 31))
    slot("read alone", read)
    slot("read alone, another write enabler", read, secrets(**LEASE, write_enabler=OTHER))
    slot("nothing", {"test-write-vectors": {}, "read-vector": []})
    slot("another accept", read, RTW, [["accept", "a/b"]])
    slot("another media type", read, RTW, [["content-type", "text/plain"]])
    test = {"offset": 0, "size": 1, "specimen": b""}
    slot("30 tests", one(test=[test] * 30))
    slot("31 tests", one(test=[test] * 31))
    slot("31 reads", {"test-write-vectors": {}, "read-vector": [{"offset": 0, "size": 1}] * 31})
    slot("40 writes", one(write=[{"offset": 0, "data": b"z"}] * 40))
    slot("257 shares", {"test-write-vectors": {n: share_vectors() for n in range(257)}, "read-vector": []})
    slot("a negative offset", one(write=[{"offset": -1, "data": b"z"}]))
    slot("a text for data", one(write=[{"offset": 0, "data": "z"}]))
    slot("a negative new length", one(new_length=-1))
    slot("false for a new length", one(new_length=False))
    slot("no new length", {"test-write-vectors": {1: {"test": [], "write": []}}, "read-vector": []})
    slot("a new length of 2^63", one(new_length=2**63))
    slot("a read at 2^64 - 1", {"test-write-vectors": {}, "read-vector": [{"offset": 2**64 - 1, "size": 2**64 - 1}]})
    slot("a test at 2^64 - 1", one(test=[{"offset": 2**64 - 1, "size": 2**64 - 1, "specimen": b""}]))
    slot("a specimen that is not as long as its size", one(test=[{"offset": 0, "size": 3, "specimen": b"ab"}]))
    ask("slot: list", "GET", f"{mut}/shares")
    ask("slot: read", "GET", f"{mut}/0")
    for text in ("bytes=2-400", "bytes=20-400", "bytes=20-"):
        ask("slot: a range", "GET", f"{mut}/0", [["range", text]])
    ask("slot: no such share, bad range", "GET", f"{mut}/7", [["range", "bytes=20-"]])
    slot("delete a share", one(new_length=0))
    ask("slot: list after that", "GET", f"{mut}/shares")


def record_messages():
    v1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
    limits = {b"maximum-immutable-share-size": 2**40 + 1, b"maximum-mutable-share-size": 69105 * 1000**4, b"available-space": 2**63}
    write_json(
        "gbs/messages.json",
        "Messages as upstream's cbor2 writes them, by their names in this project.",
        messages={
            "version": dumps({v1: limits, b"application-version": b"tahoe-lafs/1.20.0"}),
            "allocate": dumps({"share-numbers": {1, 8, 3}, "allocated-size": 2**40 + 1}),
            "allocateOutOfOrder": dumps({"share-numbers": CBORTag(258, [8, 1]), "allocated-size": 100}),
            "allocated": dumps({"already-have": {0}, "allocated": {1, 255}}),
            "required": dumps({"required": [{"begin": 5, "end": 2**33}, {"begin": 2**34, "end": 2**35}]}),
            "shareNumbers": dumps({0, 1, 200}),
            "corruption": dumps({"reason": "the hash of block 3 is wrong: \u00e9\u4e2d"}),
            "readTestWrite": dumps({"test-write-vectors": {3: share_vectors(test=[{"offset": 4, "size": 2, "specimen": b"ab"}], write=[{"offset": 2**32, "data": b"\x00\xff"}], new_length=7), 0: share_vectors()}, "read-vector": [{"offset": 1, "size": 2}]}),
            "readTestWriteResult": dumps({"success": True, "data": {0: [b"ab", b""], 4: []}}),
        },
        headers={
            "range": [[begin, end, Range("bytes", [(begin, end)]).to_header()] for begin, end in ((0, 10), (5, 6), (2**40, 2**41))],
            "contentRange": [[begin, end, ContentRange("bytes", begin, end).to_header()] for begin, end in ((0, 10), (5, 6), (2**40, 2**41))],
            "authorization": [[SWISSNUM.decode(), swissnum_auth_header(SWISSNUM).decode()]],
            "secretKinds": sorted(kind.value for kind in Secrets),
        },
    )


def record_pins():
    text = (Path(allmydata.__file__).parent / "test" / "data" / "spki-hash-test-vectors.yaml").read_text()
    pins = [{"certificate": v["certificate"], "hash": v["expected-hash"]} for v in yaml.safe_load(text)["vector"]]
    write_json("gbs/spki.json", "Certificates and the pins of their keys, from upstream's own vectors.", pins=pins)


def main():
    record_messages()
    record_pins()
    folder = tempfile.TemporaryDirectory()
    server = HTTPServer(reactor, StorageServer(folder.name, b"\0" * 20), SWISSNUM)
    port = reactor.listenTCP(0, Site(server.get_resource()), interface="127.0.0.1")
    ask = Recorder(port.getHost().port)
    failed = []

    def run():
        try:
            record_transcript(ask)
        except BaseException as error:
            failed.append(error)
        reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(lambda: threading.Thread(target=run).start())
    reactor.run()
    folder.cleanup()
    if failed:
        raise failed[0]
    write_json(
        "gbs/transcript.json",
        "Requests to one storage server in their order, and its answers. The version message has no body here.",
        swissnum=SWISSNUM.decode(),
        cases=ask.cases,
    )


main()

"""Command line: what `status` prints of what a node says of itself."""

import io
import json
import os
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

from common import write_json

from allmydata.scripts import tahoe_status

SI = "2tvzpwxrkf6odreptjkpou5hee"


def operation(kind, size=1233, status="Finished", **fields):
    return {"storage-index-string": SI, "total-size": size, "status": status, "type": kind, **fields}


def upload(hashing, encrypting, pushing):
    parts = {"progress-hash": hashing, "progress-ciphertext": encrypting, "progress-encode-push": pushing}
    return operation("upload", **parts)


EVERY_KIND = [
    operation("upload", 200_000),
    operation("download", 3_500_000_000, "idle"),
    operation("publish", 0),
    operation("retrieve", 588),
    operation("mapupdate", "-NA-", mode="MODE_READ"),
    operation("unknown", None, "???"),
]

CASES = {
    "nothing": ([], []),
    "every kind": ([], EVERY_KIND),
    "others alone": ([], EVERY_KIND[2:5]),
    "active": (
        [operation(one["type"], one["total-size"]) for one in EVERY_KIND[2:]]
        + [upload(a / 10, a / 20, a / 30) for a in range(0, 11)]
        + [upload(1, 1, 1)],
        EVERY_KIND,
    ),
}
COUNTERS = [
    {},
    {"uploader.files_uploaded": 17, "uploader.bytes_uploaded": 403453,
     "downloader.files_downloaded": 2, "downloader.bytes_downloaded": 1_234_567_890},
]
UPTIMES = [1, 119.9, 10_000, 172_799, 400_000, 9_000_000, 10**9]


def status(active, recent, uptime, counters, verbose):
    answers = [
        {"active": active, "recent": recent},
        {"stats": {"node.uptime": uptime}, "counters": counters},
    ]

    def do_http(**_):
        return SimpleNamespace(read=lambda: json.dumps(answers.pop(0)))

    class Output(io.StringIO):
        encoding = "utf-8"

    class Options(dict):
        stdout = Output()
        stderr = Output()

    with TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "private"))
        for name in ["private/api_auth_token", "node.url"]:
            with open(os.path.join(folder, name), "w") as file:
                file.write("http://127.0.0.1:1/")
        # Some of it goes straight to the standard output of the process.
        with mock.patch.object(tahoe_status, "_sys_stdout", Options.stdout):
            code = tahoe_status.do_status(Options({"node-directory": folder, "verbose": verbose}), do_http)
    assert code == 0, Options.stderr.getvalue()
    return Options.stdout.getvalue()


cases = []
for name, (active, recent) in CASES.items():
    for verbose in [False, True]:
        text = status(active, recent, 3600, COUNTERS[1], verbose)
        cases.append({"name": name, "verbose": verbose, "active": active, "recent": recent, "text": text})

write_json(
    "cli/status.json",
    "What status prints, by what /status?t=json and /statistics?t=json say.",
    counters=COUNTERS[1],
    uptime=3600,
    cases=cases,
    heads=[[uptime, status([], [], uptime, {}, False).split("\n\n")[0]] for uptime in UPTIMES],
)

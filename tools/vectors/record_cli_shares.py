"""Command line: what `debug find-shares`, `catalog-shares` and `corrupt-share` make of share files.

Upstream's own commands run in this process on the share files that the recording of `dump-share` made.
The clock stands still, and the byte and the bit that are flipped are not left to chance.
"""

import os
import random
import time
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from common import stretch, write_json
from twisted.python import usage

from allmydata.scripts import debug
from allmydata.scripts.runner import Options
from allmydata.util import base32

NOW = 1_700_000_000
DATA = Path(__file__).parent / "../../packages/vectors/data/cli"
COMMANDS = {"find-shares": debug.find_shares, "catalog-shares": debug.catalog_shares, "corrupt-share": debug.corrupt_share}


def index(letter):
    return base32.b2a(stretch(letter, 16)).decode()


def place(node, letter, number):
    name = index(letter)
    return f"{node}/storage/shares/{name[:2]}/{name}/{number}"


# The file of a share, or text, at each place. A node without storage is a folder alone.
FILES = {
    place("one", b"a", 0): "chk-v1.share",
    place("one", b"a", 2): "chk-v2.share",
    place("one", b"a", 10): "chk-container-v1.share",
    place("one", b"b", 1): "sdmf.share",
    place("one", b"b", 3): "sdmf-container-v1.share",
    place("one", b"c", 0): "mdmf.share",
    place("one", b"d", 0): "chk-leftover.share",
    place("one", b"d", 1): "mutable-unknown.share",
    place("one", b"e", 0): None,
    place("two", b"a", 1): "chk-v1.share",
    place("two", b"b", 1): "sdmf.share",
    "two/storage/shares/incoming/aa/half": None,
    "three/tahoe.cfg": None,
}
LINES = [
    ["find-shares"],
    ["find-shares", index(b"a")],
    ["find-shares", index(b"a"), "one", "two"],
    ["find-shares", index(b"a"), "two", "one", "three", "missing"],
    ["find-shares", index(b"b"), "one"],
    ["find-shares", index(b"z"), "one", "two"],
    ["find-shares", "nonsense!", "one"],
    ["find-shares", "abc", "one"],
    ["find-shares", "--nope", index(b"a"), "one"],
    ["catalog-shares"],
    ["catalog-shares", "one"],
    ["catalog-shares", "two", "one", "three"],
    ["catalog-shares", "missing"],
    ["catalog-shares", "--nope", "one"],
    ["corrupt-share"],
    ["corrupt-share", place("one", b"a", 0)],
    ["corrupt-share", place("one", b"a", 2)],
    ["corrupt-share", place("one", b"a", 10)],
    ["corrupt-share", "--offset=block-random", place("one", b"b", 1)],
    ["corrupt-share", "-o", "block-random", place("one", b"b", 3)],
    ["corrupt-share", "--offset=0", place("one", b"a", 0)],
    ["corrupt-share", place("one", b"c", 0)],
    ["corrupt-share", place("one", b"d", 1)],
    ["corrupt-share", place("one", b"e", 0)],
    ["corrupt-share", "missing"],
    ["corrupt-share", "one", "two"],
    ["corrupt-share", "--nope", "one"],
]


def sort_found(text):
    """The order of a folder is nobody's choice."""
    return "".join(sorted(text.splitlines(keepends=True)))


def run(words):
    options = Options()
    options.stdout, options.stderr = StringIO(), StringIO()
    try:
        options.parseOptions(["debug", *words])
    except (usage.error, TypeError) as error:
        return {"status": 1, "usage": str(error)}
    command = options.subOptions.subOptions
    command.stdout, command.stderr = StringIO(), StringIO()
    failure, status = None, 1
    try:
        status = COMMANDS[words[0]](command)
    except (Exception, AssertionError) as error:
        failure = type(error).__name__
    stdout, stderr = command.stdout.getvalue(), command.stderr.getvalue()
    # Its tracebacks name places in upstream's own files.
    told = [line for line in stderr.splitlines(keepends=True) if line.startswith("Error processing")]
    result = {"status": status or 0, "stdout": stdout, "stderr": "".join(told)}
    return result if failure is None else {**result, "exception": failure}


def flipped(before, after):
    """Which bytes differ, with their numbers."""
    return [[path, at, old ^ new] for path in before for at, (old, new) in enumerate(zip(before[path], after[path])) if old != new]


def contents():
    return {name: Path(name).read_bytes() for name, source in FILES.items() if source is not None}


real_time, time.time = time.time, lambda: NOW
random.randrange = lambda start, end: start + (end - start) // 3
steps = []
with TemporaryDirectory() as folder:
    folder = os.path.realpath(folder)
    os.chdir(folder)
    for name, source in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"nothing" if source is None else (DATA / source).read_bytes())
    for words in LINES:
        before = contents()
        result = run(words)
        changes = flipped(before, contents())
        for stream in ("stdout", "stderr"):
            if stream in result:
                result[stream] = result[stream].replace(folder, "<CWD>")
        if words[0] == "find-shares" and "stdout" in result:
            result["stdout"] = sort_found(result["stdout"])
        steps.append({"words": words, **result, **({"flipped": changes} if changes else {})})
    os.chdir("/")
time.time = real_time

write_json(
    "cli/shares.json",
    "What `tahoe debug WORDS` prints at the time `now` (seconds since 1970) in a working folder (<CWD>) that holds `files` (copies of share files of this folder; null: the text `nothing`), line after line; what find-shares prints is sorted. `flipped` are the bytes that a command has changed: file, offset, bits. Chance always takes what stands a third of the way.",
    now=NOW,
    files=[[name, source and f"cli/{source}"] for name, source in FILES.items()],
    steps=steps,
)

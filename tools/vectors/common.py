"""What the recording scripts share: which upstream answers, and how its answers are written.

A script `record_AREA.py` asks upstream and calls `write_json` and `write_bytes`; nothing else makes
files. It takes the folder to write to as its only argument and must give the same bytes every time:
no clock, no unseeded random numbers, no order of a set. In JSON, bytes are lower-case hexadecimal.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

UPSTREAM = {"tahoe-lafs": version("tahoe-lafs"), "zfec": version("zfec")}
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else None


def _plain(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {_plain(k) if isinstance(k, bytes) else k: _plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return [_plain(v) for v in sorted(value)]
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def write_bytes(name: str, data: bytes) -> None:
    """Writes the file `name` (`area/file.share`) below the output folder."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_json(name: str, about: str, **fields) -> None:
    """Writes `name` (`area/file.json`): what it is, who answered, then the recorded fields.

    A list gets one line an entry, so that a change to a case is a change to a line.
    """
    parts = []
    for key, value in {"about": about, "upstream": UPSTREAM, **fields}.items():
        value = _plain(value)
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(v, ensure_ascii=False) for v in value)
            text = f"[\n{lines}\n ]" if value else "[]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        parts.append(f" {json.dumps(key)}: {text}")
    write_bytes(name, ("{\n" + ",\n".join(parts) + "\n}\n").encode("utf-8"))


def stretch(seed: bytes, length: int) -> bytes:
    """The first `length` bytes of `seed` repeated without end."""
    return (seed * (length // len(seed) + 1))[:length]

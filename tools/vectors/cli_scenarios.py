"""What the recordings of whole command lines share: upstream's nodes as processes of their own, and
scenarios of command lines that are played against them.

What differs between two runs is replaced by names: caps and storage indexes by `<KIND.NUMBER>` in the
order in which a scenario shows them (or writes them into private/aliases), ids of servers, times,
folders, and sizes that depend on the text of a time.
"""

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote
from urllib.request import urlopen

import yaml
from twisted.python import usage

from allmydata import uri
from allmydata.scripts import cli
from allmydata.scripts.runner import Options
from allmydata.storage.server import si_b2a

sys.stdout.reconfigure(encoding="utf-8")
TAHOE = str(Path(sys.executable).parent / "tahoe")
BIG = "All that is stored is found again, as long as servers enough are there. " * 2
STDIN = "from standard input"

CAP = re.compile(r"URI(:|%3A)([A-Z0-9]+(?:-[A-Za-z0-9]+)*)((?:\1[A-Za-z0-9]+)+)")
INDEX = re.compile(r"(?<![A-Za-z0-9:])[a-z2-7]{26}(?![A-Za-z0-9])")
SERVER = re.compile(r"\bv0-[a-z2-7]{52}\b|\b[a-z2-7]{8}(?=-sh\d)")
ROOT_HASH = re.compile(r"\b(seq\d+)-[a-z2-7]{4}\b")
TIMES = [
    (re.compile(r"[A-Z][a-z]{2} \d\d (?:\d\d:\d\d| \d{4})"), "<TIME>"),
    (re.compile(r"\b1\d{9}(?:\.\d+)?\b"), "<SECONDS>"),
    (re.compile(r'((?:size-directories|largest-directory)"?: )\d+(?: +\(.*\))?'), r"\1<SIZE>"),
]
LITERALS = {"LIT", "DIR2-LIT", "FUTURE"}


class Names:
    """The names of the caps of one scenario."""

    def __init__(self):
        self.texts = {}

    def name(self, kind, text):
        known = self.texts.setdefault(kind, [])
        if text not in known:
            known.append(text)
        return f"<{kind}.{known.index(text) + 1}"

    def hide(self, text):
        def cap(match):
            separator, kind, fields = match.groups()
            if kind in LITERALS or "nonsense" in fields:
                return match.group()
            plain = match.group().replace("%3A", ":")
            return self.name(kind, plain) + (">" if separator == ":" else "%>")

        text = CAP.sub(cap, text)
        text = ROOT_HASH.sub(r"\1-<ROOT>", SERVER.sub("<SERVER>", text))
        text = INDEX.sub(lambda match: self.name("SI", match.group()) + ">", text)
        for pattern, name in TIMES:
            text = pattern.sub(name, text)
        return text

    def show(self, text):
        def cap(match):
            kind, number, quoted = match.groups()
            plain = self.texts[kind][int(number) - 1]
            return quote(plain, safe="") if quoted else plain

        return re.sub(r"<([A-Z0-9a-z-]+)\.(\d+)(%?)>", cap, text)


# What the web API says of an error goes on for lines, with places in upstream's own files.
ERROR = re.compile(r'^("[^\n]*: (?:[45]\d\d) [A-Z][^\n]*)\n.*?"$', re.DOTALL | re.MULTILINE)
STREAMED_ERROR = re.compile(r"^(ERROR: [^\n]*)\n.*", re.DOTALL | re.MULTILINE)


def shorten(text):
    text = "<HTML>" if text.startswith("<!DOCTYPE html>") else text
    return STREAMED_ERROR.sub(r"\1\n", ERROR.sub(r"\1...", text))


def in_order(data):
    """Data of JSON without the order in which servers happened to answer."""
    if isinstance(data, list):
        return [in_order(one) for one in data]
    if not isinstance(data, dict):
        return data
    return {
        name: {key: value[key] for key in sorted(value)} if name == "sharemap" else sorted(value) if name == "servers-responding" else in_order(value)
        for name, value in data.items()
    }


def sort_answers(text):
    """The same of what a command has printed: indented objects with an empty line after each, or an object a line."""
    if text.startswith("{\n"):
        return "".join(json.dumps(in_order(json.loads(one)), indent=1) + "\n\n" for one in text.split("\n\n") if one)
    lines = [json.dumps(in_order(json.loads(line))) if line.startswith("{") else line for line in text.split("\n")]
    return "\n".join(lines)


def share_files(cap, storages):
    """The files of the shares of an object, by their numbers."""
    name = si_b2a(uri.from_string(cap.encode()).get_storage_index()).decode()
    return {int(path.name): path for storage in storages for path in storage.glob(f"shares/{name[:2]}/{name}/*")}


def damage(words, storages):
    """Deletes shares, or flips a bit of one: `delete CAP NUMBER...`, `flip CAP NUMBER OFFSET`."""
    kind, cap, *numbers = words
    shares = share_files(cap, storages)
    if kind == "delete":
        for number in numbers:
            shares[int(number)].unlink()
        return
    number, offset = map(int, numbers)
    data = bytearray(shares[number].read_bytes())
    data[offset] ^= 1
    shares[number].write_bytes(data)


class Output(io.TextIOWrapper):
    """A standard stream that keeps what is written."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode("utf-8")


def run(words, node):
    """Runs one command line. Returns its status, and what it wrote or why there is nothing."""
    options = Options()
    options.stdout, options.stderr = Output(), Output()
    try:
        options.parseOptions(["-d", str(node), *words])
    except usage.error as error:
        return {"status": 1, "usage": str(error)}
    command = options.subOptions
    command.stdout, command.stderr = Output(), Output()
    command.stdin = io.TextIOWrapper(io.BytesIO(STDIN.encode()), encoding="utf-8")
    failure = None
    try:
        status = cli.dispatch[options.subCommand](command)
    except Exception as error:
        failure, status = type(error).__name__, 1
    result = {"status": status & 0xFF, "stdout": shorten(command.stdout.text()), "stderr": shorten(command.stderr.text())}
    return result if failure is None else {**result, "exception": failure}


def tree(folder, names):
    """The files below a folder by their paths; folders end with a slash and hold nothing."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name + "/"] = ""
        else:
            found[name] = names.hide(path.read_text())
    return found


def play(title, local, lines, web_url, folder, storages=()):
    """Plays a scenario; a line that begins with `!` is done to the share files of the servers."""
    names = Names()
    node, cwd = folder / "node", folder / "cwd"
    aliases, kept = node / "private" / "aliases", ""
    (node / "private").mkdir(parents=True)
    (node / "node.url").write_text(web_url + "\n")
    for name, content in local.items():
        path = cwd / name
        path.mkdir(parents=True) if name.endswith("/") else path.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text(content)
    cwd.mkdir(parents=True, exist_ok=True)
    os.chdir(cwd)
    steps, before = [], tree(cwd, names)
    for line in filter(str.strip, lines.split("\n")):
        words = shlex.split(line)
        if words[0] == "!":
            damage([names.show(word) for word in words[1:]], storages)
            steps.append({"scenario": title, "words": words})
            continue
        result = run([names.show(word) for word in words], node)
        for stream in ("stdout", "stderr"):
            if stream in result:
                text = result[stream].replace(str(cwd), "<CWD>").replace(str(node), "<NODE>")
                text = sort_answers(text) if "--raw" in words else text
                result[stream] = names.hide(re.sub(r"localhost:\d+|127\.0\.0\.1:\d{4,5}", "<WEB>", text))
        after = tree(cwd, names)
        changed = {name: text for name, text in after.items() if before.get(name) != text}
        kept = names.hide(aliases.read_text()) if aliases.exists() else ""
        steps.append({"scenario": title, "words": words, **result, **({"files": changed} if changed else {})})
        before = after
    os.chdir("/")
    return {"title": title, "files": local, "aliases": kept}, steps


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Node:
    """A node of upstream that runs until it is stopped."""

    def __init__(self, folder):
        self.process = subprocess.Popen([TAHOE, "run", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            if b"client running" in line:
                break
        # Nobody reads on, and a pipe that is full would stop the node.
        self.drain = subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=subprocess.DEVNULL)
        self.web_url = (folder / "node.url").read_text().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.drain.wait()


def start_server(folder):
    port = free_port()
    subprocess.run([TAHOE, "create-node", "--listen=tcp", f"--location=tcp:127.0.0.1:{port}", f"--port=tcp:{port}:interface=127.0.0.1", "--webport=tcp:0:interface=127.0.0.1", str(folder)], check=True, capture_output=True)
    config = folder / "tahoe.cfg"
    config.write_text(config.read_text().replace("#reserved_space = 1G", "").replace("reserved_space = 1G", "reserved_space = 0"))
    return Node(folder)


def announcement(server):
    return {
        "service-name": "storage",
        "nickname": "storage",
        "anonymous-storage-FURL": (server / "private" / "storage.furl").read_text().strip(),
        "permutation-seed-base32": (server / "permutation-seed").read_text().strip(),
    }


def start_client(folder, servers, needed):
    """A client of these servers that makes as many shares as there are servers."""
    total = len(servers)
    subprocess.run([TAHOE, "create-client", "--webport=tcp:0:interface=127.0.0.1", f"--shares-needed={needed}", "--shares-happy=1", f"--shares-total={total}", str(folder)], check=True, capture_output=True)
    ids = [(server / "node.pubkey").read_text().strip().removeprefix("pub-") for server in servers]
    known = {server_id: {"ann": announcement(server)} for server_id, server in zip(ids, servers)}
    (folder / "private" / "servers.yaml").write_text(yaml.safe_dump({"storage": known}))
    node = Node(folder)
    while f"Connected to <span>{total}</span>".encode() not in urlopen(node.web_url).read():
        time.sleep(0.1)
    return node


def play_all(scenarios, servers, needed):
    """Plays scenarios against a client and this many servers. Returns what was played and the steps."""
    os.environ["TZ"] = "UTC"
    folder, nodes = Path(mkdtemp(prefix="lafs-vectors-")), []
    folders = [folder / f"server-{number}" for number in range(servers)]
    try:
        nodes.extend(start_server(server) for server in folders)
        nodes.append(start_client(folder / "client", folders, needed))
        played = [
            play(title, local, lines, nodes[-1].web_url, folder / f"scenario-{number}", [server / "storage" for server in folders])
            for number, (title, (local, lines)) in enumerate(scenarios.items())
        ]
    finally:
        for node in nodes:
            node.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return [scenario for scenario, _steps in played], [step for _scenario, steps in played for step in steps]

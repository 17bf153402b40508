"""The names of upstream's interfaces: facts to hold our contracts against, without a word of text.

`1.9.2` is the edition that the contracts began from. Its interfaces.py is not on the machine of
everybody, so its names are recorded only where LAFS_INTERFACES_1_9_2 gives the path of the file, and
stay as they are elsewhere. `1.20` is read from the upstream that is installed.
"""

import ast
import os
import re
import shutil
from pathlib import Path

import allmydata.interfaces
import allmydata.introducer.interfaces
import allmydata.monitor
from common import OUT, write_json

COMMITTED = Path(__file__).resolve().parents[2] / "packages/vectors/data/interfaces/1.9.2.json"


def kind_of(bases):
    if any("RemoteInterface" in base for base in bases):
        return "remote"
    if any(base == "Interface" or base == "IPlugin" or re.match(r"I[A-Z]", base) for base in bases):
        return "interface"
    if any(base.endswith("Error") or base == "Exception" for base in bases):
        return "error"
    return "class"


def attributes(node):
    """Attributes that are declared, and those that only the docstring lists (` .name : …`)."""
    declared = [
        target.id
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if not target.id.startswith("__")
    ]
    listed = re.findall(r"^ +\.(\w+) ?:", ast.get_docstring(node, clean=False) or "", re.M)
    return declared + listed


def entries(source):
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            methods = [m.name for m in node.body if isinstance(m, ast.FunctionDef)]
            found.append(
                {
                    "name": node.name,
                    "kind": kind_of(bases),
                    "bases": bases,
                    "methods": [m for m in methods if not m.startswith("__")],
                    "attributes": attributes(node),
                }
            )
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.append({"name": node.targets[0].id, "kind": "constant"})
    return found


def module_source(module):
    return Path(module.__file__).read_text(encoding="utf-8")


def main():
    given = os.environ.get("LAFS_INTERFACES_1_9_2")
    if given:
        text = Path(given).read_text(encoding="utf-8")
        # a page that was saved from a source browser has some lines above the source
        source = text[text.index("from zope.interface") :]
        write_json(
            "interfaces/1.9.2.json",
            "Every name of Tahoe-LAFS 1.9.2's interfaces.py, with bases and methods.",
            names=entries(source),
        )
    elif OUT.resolve() / "interfaces/1.9.2.json" != COMMITTED:
        (OUT / "interfaces").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(COMMITTED, OUT / "interfaces/1.9.2.json")
    names = entries(module_source(allmydata.interfaces))
    introducer = entries(module_source(allmydata.introducer.interfaces))
    names += [entry for entry in introducer if entry["name"] != "FURL"]
    monitor = entries(module_source(allmydata.monitor))
    names += [entry for entry in monitor if entry["name"] != "Monitor"]
    write_json(
        "interfaces/1.20.json",
        "Every name of the interface modules of the upstream that answered, with bases and methods.",
        names=names,
    )


main()

"""Command line: what `tahoe COMMAND` prints and leaves behind on a grid of one storage server.

A real storage server and a real client run as processes of their own. The commands run in this
process, one scenario after the other, each in a fresh working folder and with a fresh node directory
that names the client's web API.
"""

import os
from importlib.resources import files

from allmydata.scripts import tahoe_cp
from cli_scenarios import BIG, STDIN, play_all
from common import write_json

KEY = (files("allmydata") / "test" / "data" / "openssl-rsa-2048.txt").read_text()

# The order of a folder is nobody's choice.
tahoe_cp.listdir_unicode = lambda path: sorted(os.listdir(path))

# A scenario: its local files, then its command lines. `<KIND.NUMBER>` stands for a cap that an earlier
# line has shown, `<KIND.NUMBER%>` for the same in the manner of a URL.
SCENARIOS = {
    "no alias at all": (
        {"small": "small"},
        """
        list-aliases
        list-aliases --json
        ls
        put small foo
        put - foo/bar:baz
        mkdir sub
        get foo
        manifest
        stats
        unlink foo
        mv a b
        ln a b
        ls nope:
        put small nope:x
        get nope:x
        mkdir nope:x
        cp small nope:x
        cp nope:x out
        cp nope:x nope:y
        mv nope:x nope:y
        unlink nope:x
        manifest nope:
        stats nope:
        mkdir
        """,
    ),
    "aliases": (
        {"small": "small"},
        """
        create-alias tahoe
        create-alias tahoe
        create-alias tahoe:
        create-alias work:
        create-alias été
        create-alias 'bad name'
        create-alias a:b
        list-aliases
        list-aliases --readonly-uri
        list-aliases --json
        add-alias other <DIR2.1>
        add-alias other <DIR2.2>
        add-alias readonly: <DIR2-RO.2>
        add-alias 'bad name' <DIR2.2>
        add-alias a:b <DIR2.2>
        add-alias web http://127.0.0.1:3456/uri/<DIR2.2%>
        add-alias web2 <DIR2.2%>
        put small
        add-alias literal URI:LIT:onwwc3dm
        add-alias nonsense nonsense
        add-alias only
        list-aliases
        put small été:file
        ls été:
        ls --dir-cap <DIR2.3> tahoe:
        ls --dir-cap=<DIR2.3>
        ls other:
        """,
    ),
    "put and get": (
        {"small": "small", "big": BIG, "other": BIG.upper()},
        """
        create-alias tahoe
        put small
        put big
        put -
        put
        put big tahoe:big
        put big big
        put other tahoe:big
        put small tahoe:sub/dir/small
        put - 'tahoe:from stdin'
        put small tahoe:big/x
        put small tahoe:sub
        put small tahoe:
        put small tahoe:new/
        put small tahoe:/abs
        put small /abs
        put small tahoe:a//b
        put small <DIR2.1>/viacap
        put small <DIR2.1>:./viacap2
        put small with:colon/file
        put small with/colon:file
        put missing
        put missing tahoe:x
        put . tahoe:x
        put --format=XYZ small
        put --format=CHK small
        get tahoe:big
        get big
        get big out
        get big -
        get tahoe:sub/dir/small
        get tahoe:missing
        get tahoe:missing/x
        get tahoe:big/x
        get tahoe:sub//dir
        get <CHK.1>
        get <CHK.1> out2
        get URI:LIT:onwwc3dm
        get <DIR2.1>/big
        get <DIR2.1>:./big
        get nonsense
        get URI:CHK:nonsense
        get big nowhere/out
        get tahoe:sub
        get
        ls -F
        ls -F sub
        ls -F with
        """,
    ),
    "mutable files": (
        {"small": "small", "big": BIG, "key.pem": KEY, "garbage.pem": "garbage"},
        """
        create-alias tahoe
        put -m small
        put --format=SDMF big
        put --format=sdmf big
        put --format=mdmf big
        put -m --format=MDMF small
        put --mutable --format=CHK small
        put -m small tahoe:mut
        put --format=MDMF small tahoe:mdmf
        get tahoe:mut
        put big tahoe:mut
        get tahoe:mut
        put small <SSK.1>
        put big <SSK.1>
        get <SSK.1>
        put big <MDMF.1>
        get <MDMF.1>
        ls --readonly-uri
        get <SSK-RO.1>
        put small <SSK-RO.1>
        ln <SSK-RO.1> tahoe:ro
        put small tahoe:ro
        put -m --private-key-path=key.pem small
        put -m --private-key-path=key.pem --format=MDMF small
        put --private-key-path=key.pem small
        put -m --private-key-path=missing.pem small
        put -m --private-key-path=garbage.pem small
        ls -F
        ls --uri mut
        """,
    ),
    "mkdir": (
        {"small": "small"},
        """
        create-alias tahoe
        mkdir
        mkdir --format=mdmf
        mkdir --format=SDMF
        mkdir --format=CHK
        mkdir tahoe:
        mkdir tahoe:a
        mkdir tahoe:a
        mkdir b
        mkdir tahoe:b/c/d
        mkdir tahoe:e/
        mkdir tahoe:f//
        mkdir tahoe:g//h
        mkdir --format=MDMF tahoe:m
        mkdir <DIR2.1>/viacap
        mkdir 'tahoe:ein Stück'
        put small tahoe:file
        mkdir tahoe:file
        mkdir tahoe:file/x
        list-aliases --readonly-uri
        mkdir <DIR2-RO.1>/x
        ls -F
        ls -F b
        ls --uri m
        ls <DIR2-MDMF.2>
        """,
    ),
    "ls": (
        {"small": "small", "big": BIG},
        """
        create-alias tahoe
        ls
        ls -l
        put small tahoe:small
        put big tahoe:big
        put -m small tahoe:dir/mutable
        put --format=MDMF big tahoe:dir/mdmf
        put small 'tahoe:with space'
        put small tahoe:ünïcode
        put small tahoe:Ａ
        put small tahoe:\U0001f600
        put small 'tahoe:quo"te'
        mkdir tahoe:empty
        mkdir --format=MDMF tahoe:mdir
        ls
        ls tahoe:
        ls tahoe:/
        ls tahoe:dir
        ls tahoe:dir/
        ls tahoe:dir//
        ls -F
        ls -F dir
        ls -l
        ls -l -F dir
        ls --uri
        ls --readonly-uri
        ls --uri --readonly-uri -l dir
        ls small
        ls -l tahoe:small
        ls -l --uri tahoe:small
        ls -l dir/mutable
        ls <DIR2.1>
        ls <DIR2.1>/dir
        ls <DIR2-RO.1>
        ls -l <DIR2-RO.1>
        ls --uri <DIR2-RO.1>
        ls <CHK.1>
        ls -l <CHK.1>
        ls empty
        ls -l empty
        ls --json empty
        ls --json dir
        ls --json small
        ls --json dir/mdmf
        ls --json <CHK.1>
        ls missing
        ls --json missing
        ls missing/deeper
        ls small/x
        ls dir//mutable
        ls URI:CHK:nonsense
        """,
    ),
    "unlink": (
        {"small": "small"},
        """
        create-alias tahoe
        put small tahoe:file
        put small tahoe:dir/file
        put small tahoe:dir/other
        unlink tahoe:missing
        unlink tahoe:missing/x
        unlink tahoe:file/x
        unlink tahoe:
        unlink <DIR2.1>
        unlink tahoe:file
        unlink tahoe:file
        unlink dir/file
        unlink <DIR2.1>/dir/other
        list-aliases --readonly-uri
        unlink <DIR2-RO.1>/dir
        unlink tahoe:dir
        unlink
        ls
        """,
    ),
    "mv and ln": (
        {"small": "small", "big": BIG},
        """
        create-alias tahoe
        create-alias other
        put small tahoe:a
        put big tahoe:b
        put small tahoe:dir/c
        mv tahoe:missing tahoe:x
        mv tahoe:a
        mv tahoe:a tahoe:moved
        mv moved again
        mv tahoe:again tahoe:dir
        mv tahoe:again tahoe:dir/
        mv tahoe:dir/again tahoe:new/sub/again
        mv tahoe:b/x tahoe:y
        mv tahoe:b tahoe:dir/c/x
        mv tahoe:b tahoe:
        mv tahoe:b other:b
        mv other:b tahoe:dir/c
        get tahoe:dir/c
        mv tahoe:dir other:dir
        mv other:dir tahoe:new
        ls -F
        ls -F new
        ls -F other:
        ls -F other:dir
        ln other:dir/c tahoe:linked
        ln other:dir/c tahoe:linked
        ln other:dir/c tahoe:new
        ln other:dir/c tahoe:new/
        ln other:missing tahoe:x
        ln <CHK.1> tahoe:fromcap
        ln <CHK.1> tahoe:new/
        mv <CHK.1> tahoe:movedcap
        ln other: tahoe:root
        ln URI:FUTURE:abc tahoe:unknown
        ln ro.URI:FUTURE:abc tahoe:unknown
        ls
        ls -l -F
        ls --json unknown
        ls root
        list-aliases --readonly-uri
        mv <DIR2-RO.1>/linked tahoe:x
        mv tahoe:linked <DIR2-RO.1>/y
        ls -F
        """,
    ),
    "cp from the local file system": (
        {"small": "small", "big": BIG, "tree/one": "1", "tree/sub/two": "2", "tree/empty/": "", "tree2/sub/two": "two", "tree2/three": "3"},
        """
        create-alias tahoe
        cp
        cp small
        cp small tahoe:
        cp small tahoe:renamed
        cp small tahoe:renamed/
        cp small tahoe:missing/
        cp small big tahoe:
        cp small big tahoe:new
        cp small big tahoe:small
        cp missing tahoe:
        cp small/ tahoe:
        cp tree tahoe:
        cp -r tree tahoe:
        ls -F tree
        ls -F tree/sub
        cp -r tree/ tahoe:slash
        ls -F slash
        ls -F slash/tree
        cp -r tree tahoe:small
        cp -r tree tree2 tahoe:both
        ls -F both
        cp -r tree/sub tree2/sub tahoe:collide
        ls -F collide
        cp -r -v tree2 tahoe:
        cp -v small tahoe:v
        cp big tahoe:renamed
        get renamed
        put -m small tahoe:mut
        cp big tahoe:mut
        cp big tahoe:dir/deep/file
        get mut
        cp small small2 tahoe:
        cp small ./copy
        cp -r tree copied
        ls -F
        """,
    ),
    "cp to the local file system": (
        {"small": "small", "big": BIG, "existing": "old", "folder/": "", "folder/old": "old"},
        """
        create-alias tahoe
        put small tahoe:small
        put big tahoe:dir/big
        put -m small tahoe:dir/sub/mut
        mkdir tahoe:dir/empty
        cp tahoe:small out
        cp tahoe:small existing
        cp tahoe:small existing/
        cp tahoe:small missing/
        cp tahoe:small folder
        cp tahoe:small folder/
        cp tahoe:missing out
        cp tahoe:small/ out
        cp tahoe:small tahoe:dir/big out
        cp tahoe:small tahoe:dir/big folder
        cp tahoe:small tahoe:dir/big newfolder
        cp tahoe:dir folder
        cp -r tahoe:dir existing
        cp -r tahoe:dir folder
        cp -r tahoe:dir/ folder2
        cp -r tahoe: folder3
        cp -r <DIR2.1> folder4
        cp -r <DIR2.1>/dir folder5/
        cp URI:LIT:onwwc3dm literal
        cp URI:LIT:onwwc3dm folder
        cp -r tahoe:dir URI:LIT:onwwc3dm folder6
        cp -r --caps-only tahoe:dir capsfolder
        cp --caps-only tahoe:small capsfile
        cp -r -v tahoe:dir folder7
        cp tahoe:small nowhere/out
        cp tahoe:dir//big out
        """,
    ),
    "cp within the grid": (
        {"small": "small", "big": BIG},
        """
        create-alias tahoe
        create-alias other
        put small tahoe:small
        put big tahoe:dir/big
        put -m big tahoe:dir/sub/mut
        put small tahoe:six/big
        mkdir tahoe:dir/empty
        cp tahoe:small other:
        cp tahoe:dir/big other:copy
        cp tahoe:dir/big tahoe:dir/sub/mut other:files
        cp tahoe:dir other:dir
        cp -r tahoe:dir other:
        cp -r tahoe:dir/ other:dir2
        cp -r tahoe: other:all
        cp tahoe:dir/sub/mut other:mutcopy
        cp -r tahoe:dir other:copy
        cp -r tahoe:dir/big tahoe:six/big other:
        cp -r tahoe:small tahoe:dir tahoe:six other:many
        cp <CHK.1> other:
        cp <CHK.1> other:fromcap
        cp tahoe:small other:fromcap
        cp tahoe:missing other:x
        cp tahoe:dir/big tahoe:dir/sub/mut
        get tahoe:dir/sub/mut
        cp URI:CHK:nonsense other:x
        ls -F other:
        ls -F other:dir
        ls -F other:dir/sub
        ls -F other:dir2
        ls -F other:all
        ls -F other:all/dir
        ls -F other:many
        ls --uri other:copy
        ls --uri other:dir/big
        list-aliases --readonly-uri
        cp tahoe:small <DIR2-RO.1>/x
        cp tahoe:small <DIR2-RO.1>
        """,
    ),
    "manifest and stats": (
        {"small": "small", "big": BIG},
        """
        create-alias tahoe
        manifest
        stats
        put small tahoe:small
        put big tahoe:dir/big
        put big tahoe:dir/again
        put -m small tahoe:dir/sub/mut
        put --format=MDMF big tahoe:dir/sub/mdmf
        ln tahoe:dir tahoe:loop
        ln tahoe: tahoe:dir/up
        put small 'tahoe:ü "quoted"'
        manifest
        manifest tahoe:/
        manifest tahoe:dir
        manifest -s
        manifest --verify-cap
        manifest --repair-cap
        manifest -r
        manifest --raw dir/sub
        manifest missing
        manifest small
        stats
        stats dir
        stats -r
        stats missing
        stats small
        """,
    ),
}

played, steps = play_all(SCENARIOS, servers=1, needed=1)
write_json(
    "cli/grid.json",
    "What `tahoe -d NODE WORDS` prints and leaves in the working folder, line after line of each scenario, on a grid of one server with 1-of-1 encoding. `stdin` is on standard input; `aliases` is private/aliases at the end. Caps and storage indexes are named in the order in which a scenario shows them; `usage` is what upstream says of a command line that makes no sense, and `exception` the error that nobody caught.",
    stdin=STDIN,
    scenarios=played,
    steps=steps,
)

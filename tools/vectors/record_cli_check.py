"""Command line: what `check`, `deep-check`, `manifest` and `stats` print of whole and damaged files.

As the recording of the other commands, on a grid of three servers with 2-of-3 encoding, each with one
share of everything. Between the command lines, share files are deleted and bits of them flipped.
"""

from allmydata import uri
from allmydata.util import hashutil
from cli_scenarios import BIG, STDIN, play_all
from common import write_json

# Offsets in the file of a share: a block of BIG as CHK and as SDMF.
CHK_BLOCK, SDMF_BLOCK = 50, 1260

TREE = """
        create-alias tahoe
        put small tahoe:small
        put big tahoe:big
        put -m big tahoe:dir/mutable
        put --format=MDMF big tahoe:dir/mdmf
        put bigger tahoe:dir/sub/file
        manifest
"""

def literal_directory(children):
    """The cap of an immutable directory that is its own content."""
    entries = [b"".join(map(hashutil.netstring, (name, cap, b"", b"{}"))) for name, cap in children]
    return uri.LiteralDirectoryURI(uri.LiteralFileURI(b"".join(map(hashutil.netstring, entries)))).to_string().decode()


LITERAL = uri.LiteralFileURI(b"x").to_string()
# More objects than are passed over in silence.
MANY = literal_directory((b"%03d" % number, LITERAL) for number in range(205))
UNKNOWN = literal_directory([(b"known", LITERAL), (b"unknown", b"URI:FUTURE:abc")])



def files(about):
    """Files that no other scenario stores: what is immutable would be the same there."""
    return {"small": "small", "big": BIG + about, "bigger": BIG + "more" + about}



SCENARIOS = {
    "no alias at all": (
        {},
        """
        check
        check big
        check nope:
        deep-check
        deep-check nope:
        """,
    ),
    "bad arguments": (
        {},
        """
        create-alias tahoe
        check --nope
        check -v
        check --raw=1 tahoe:
        check -r
        deep-check --nope
        deep-check -r
        deep-check -x tahoe:
        check missing
        check missing/deeper
        check tahoe://
        check URI:CHK:nonsense
        check URI:FUTURE:abc
        deep-check missing
        deep-check URI:CHK:nonsense
        deep-check URI:LIT:onwwc3dm
        deep-check URI:FUTURE:abc
        """,
    ),
    "all is well": (
        files("a"),
        TREE
        + """
        manifest --verify-cap
        ls --readonly-uri dir
        check
        check tahoe:
        check tahoe:/
        check big
        check small
        check dir
        check dir/mutable
        check dir/mdmf
        check <CHK.1>
        check <CHK-Verifier.1>
        check <SSK.1>
        check <SSK-RO.1>
        check <SSK-Verifier.1>
        check <MDMF.1>
        check <DIR2.1>
        check URI:DIR2-LIT:
        check --verify big
        check --verify dir
        check --verify dir/mutable
        check --verify dir/mdmf
        check --verify small
        check --repair big
        check --repair dir/mutable
        check --repair small
        check --repair --verify dir/mdmf
        check --add-lease big
        check --add-lease --verify dir/mutable
        check --verbose big
        check big small dir
        check big missing dir
        check --raw big
        check --raw small
        check --raw dir/mdmf
        check --raw --verify dir
        check --raw --repair big
        check --raw --repair small
        check --raw big small
        deep-check
        deep-check -v
        deep-check --verbose dir
        deep-check --verify -v
        deep-check --repair
        deep-check --repair -v
        deep-check --add-lease
        deep-check --add-lease --verify --repair -v
        deep-check dir dir/sub
        deep-check dir missing
        deep-check --raw
        deep-check --raw --repair --verify
        deep-check big
        deep-check <CHK.1>
        deep-check URI:DIR2-LIT:
        deep-check -v URI:DIR2-LIT:
        deep-check --repair -v URI:DIR2-LIT:
        """,
    ),
    "strange things": (
        {"small": "small"},
        f"""
        create-alias tahoe
        put small 'tahoe:ü "quoted" $x'
        put small 'tahoe:it is'
        deep-check -v
        deep-check -v --repair
        deep-check --raw
        deep-check --raw --repair
        deep-check -v {UNKNOWN}
        deep-check --repair -v {UNKNOWN}
        deep-check --raw {UNKNOWN}
        deep-check --raw --repair {UNKNOWN}
        manifest -r {UNKNOWN}
        stats {UNKNOWN}
        check {UNKNOWN}/unknown
        deep-check {MANY}
        deep-check --repair {MANY}
        """,
    ),
    "shares are missing": (
        files("b"),
        TREE
        + """
        ! delete <CHK.1> 1
        ! delete <SSK.1> 0
        ! delete <MDMF.1> 2
        ! delete <DIR2.2> 1
        check big
        check --verify big
        check dir
        check dir/mutable
        check dir/mdmf
        check --verify dir/mdmf
        check --raw big
        check --raw dir/mutable
        deep-check
        deep-check -v
        deep-check --raw
        check --raw --repair big
        check big
        check --repair dir/mutable
        check dir/mutable
        deep-check --repair -v
        deep-check -v
        """,
    ),
    "bits are flipped": (
        files("c"),
        TREE
        + f"""
        ! flip <CHK.1> 1 {CHK_BLOCK}
        ! flip <SSK.1> 0 {SDMF_BLOCK}
        check big
        check --verify big
        check --raw --verify big
        check dir/mutable
        check --verify dir/mutable
        deep-check
        deep-check --verify
        deep-check --verify -v
        deep-check --verify --raw dir
        check --verify --repair dir/mutable
        check --verify dir/mutable
        deep-check --verify --repair -v dir
        """,
    ),
    "too few shares are left": (
        files("d"),
        TREE
        + """
        ! delete <CHK.1> 0 1
        ! delete <SSK.1> 0 1 2
        check big
        check --raw big
        check --verify big
        check --repair big
        check dir/mutable
        check --raw dir/mutable
        check --repair dir/mutable
        deep-check -v
        ! delete <CHK.1> 2
        check big
        check --raw big
        deep-check -v
        """,
    ),
    "a directory is lost": (
        files("e"),
        TREE
        + """
        ! delete <DIR2.2> 0 1
        check dir
        check dir/sub
        deep-check
        deep-check -v
        deep-check --raw
        deep-check dir
        manifest
        manifest -s
        manifest -r
        manifest dir
        stats
        stats -r
        stats dir
        """,
    ),
}

played, steps = play_all(SCENARIOS, servers=3, needed=2)
write_json(
    "cli/check.json",
    "As grid.json, on a grid of three servers with 2-of-3 encoding. Words that begin with `!` are done to the servers: `delete CAP NUMBER...` removes the files of shares, `flip CAP NUMBER OFFSET` flips the lowest bit of a byte of one. In what `--raw` prints, share maps and servers are sorted; server ids and root hashes are hidden.",
    stdin=STDIN,
    scenarios=played,
    steps=steps,
)

"""Command line: what `backup` decides and prints, and the database that it remembers things in.

The clock and the dice are ours. Databases are recorded as SQL, since their bytes differ from one SQLite
to the next.
"""

import fnmatch
import os
import random
import re
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from unittest import mock

from common import write_json

from allmydata.scripts import backupdb, tahoe_backup

NOW = 1_700_000_000
DAY = 24 * 60 * 60
FILE_CAP = b"URI:CHK:aaaqeayeaudaocajbifqydiob4:aaaqeayeaudaocajbifqydiob4aaaqeayeaudaocajbifqydiob4:3:10:7"
DIR_CAP = b"URI:DIR2-LIT:gi4dumj2n4wdcmz2"


class Dice:
    def random(self):
        return self.number


DICE = Dice()
CLOCK = mock.Mock(time=lambda: CLOCK.now)
CLOCK.now = NOW


def dump(bdb):
    return [re.sub("--.*", "", line) for line in bdb.connection.iterdump()]


def database(folder, name, create_version=(backupdb.SCHEMA_v2, 2), **options):
    return backupdb.get_backupdb(os.path.join(folder, name), None, create_version, **options)


def fill(bdb, folder):
    """A file at /backed/up/file of seven bytes, as upstream writes it down."""
    bdb.did_upload_file(FILE_CAP, "/backed/up/file", NOW - 1000, NOW - 999, 7)


with mock.patch.object(backupdb, "time", CLOCK), mock.patch.object(
    backupdb, "random", DICE
), TemporaryDirectory() as folder:
    current = database(folder, "v2")
    fill(current, folder)
    hashes = []
    for contents in [
        {},
        {"file": FILE_CAP},
        {"b": DIR_CAP, "a": FILE_CAP},
        {"\uff5e": b"one", "\U0001f600": b"two", "é": b"three"},
    ]:
        result = current.check_directory(contents)
        hashes.append({"contents": {k: v.decode() for k, v in contents.items()}, "hash": result.dirhash.decode()})
    current.check_directory({"file": FILE_CAP}).did_create(DIR_CAP)
    oldest = database(folder, "v1", (backupdb.SCHEMA_v1, 1), just_create=True)
    fill(oldest, folder)
    decisions = []
    for days in [0, 29.9, 30.1, 45, 59.9, 60.1, 400]:
        for DICE.number in [0, 0.25, 0.5, 0.75, 0.9999]:
            CLOCK.now = NOW + days * DAY
            found = current.check_directory({"file": FILE_CAP})
            decisions.append([days, DICE.number, found.should_check()])
    databases = {"v2": dump(current), "v1": dump(oldest)}

# Patterns of names, sensible and not.
random.seed(5)
ALPHABET = "abcz" + "[[]]--" + "-!^\\*?.&|~"
NAMES = "abcz-]![^\\.&|~*?\n\U0001f600"
patterns = ["*.o", ".git", "[!a]*", "[a-c]z", "[z-a]", "[]a]", "[!]a]", "[", "{arch}", "=update", "*a*b*", "?"]
patterns += ["".join(random.choices(ALPHABET, k=random.randint(2, 9))) for _ in range(120)]
names = ["main.o", ".git", "az", "bz", "]", "a", "{arch}", "", "xaxbx"]
globs = []
for pattern in patterns:
    expression = re.compile(fnmatch.translate(pattern))
    tried = names + ["".join(random.choices(NAMES, k=random.randint(1, 4))) for _ in range(8)]
    globs.append([pattern, {name: bool(expression.match(name)) for name in tried}])

START = datetime(2023, 11, 14)
reports = []
for seconds in [0, 59, 3_599.9, 45_296, 86_400, 200_000]:
    end = START + timedelta(seconds=seconds)
    progress = tahoe_backup.BackupProgress(None, START, 9)
    complete = tahoe_backup.BackupComplete(START, end, 1, 2, 3, 4, 5, 6, DIR_CAP)
    texts = [complete.report(verbosity, 7, 8) for verbosity in [0, 1, 2]]
    reports.append([seconds, progress.report(end), texts])

said = []
progress = tahoe_backup.BackupProgress(said.append, START, 9)
for target in [
    tahoe_backup.PermissionDeniedTarget("/a/file"),
    tahoe_backup.PermissionDeniedTarget("/a/folder", isdir=True),
    tahoe_backup.FilenameUndecodableTarget("/a/folder", isdir=True),
    tahoe_backup.LinkTarget("/a/it's a link"),
    tahoe_backup.SpecialTarget("/a/pipe"),
]:
    target.backup(progress, None, None)

write_json(
    "cli/backup.json",
    "Names that --exclude matches, hashes of directories, when to check what was stored before, what "
    "backupdb.sqlite holds as SQL, and what is printed.",
    globs=globs,
    hashes=hashes,
    now=NOW,
    decisions=decisions,
    databases=databases,
    reports=reports,
    warnings=said,
)

"""Grid managers: their configuration, the certificates that they sign, and what clients make of these."""

import json
from datetime import datetime, timedelta, timezone
from io import StringIO
from tempfile import TemporaryDirectory
from unittest import mock

from click.testing import CliRunner
from common import stretch, write_json
from twisted.python.filepath import FilePath

from allmydata import grid_manager
from allmydata.cli import grid_manager as command
from allmydata.crypto import ed25519
from allmydata.util import base32

NOW = datetime(2023, 11, 14, 22, 13, 20, 123456, timezone.utc)


def key_pair(seed):
    text = ed25519.PRIVATE_KEY_PREFIX + base32.b2a(stretch(seed, 32))
    return text, ed25519.string_from_verifying_key(ed25519.signing_keypair_from_string(text)[1])


def now():
    return CLOCK["now"]


CLOCK = {"now": NOW}
MANAGER, MANAGER_PUBLIC = key_pair(b"manager")
_, OTHER_PUBLIC = key_pair(b"another manager")
_, ALICE = key_pair(b"alice")
_, BOB = key_pair(b"bob")
verifying = ed25519.verifying_key_from_string

with mock.patch.object(grid_manager, "current_datetime_with_zone", now), mock.patch.object(
    command, "current_datetime_with_zone", now
):
    manager = grid_manager._GridManager(MANAGER, None)
    configs = [json.dumps(manager.marshal(), indent=4)]
    manager.add_storage_server("alice", verifying(ALICE))
    manager.add_storage_server("bøb", verifying(BOB))
    configs.append(grid_manager.json.dumps(manager.marshal(), indent=4))

    certificates = []
    for microsecond in [123000, 0]:
        CLOCK["now"] = NOW.replace(microsecond=microsecond)
        for days in [1, 30, 1825]:
            signed = manager.sign("alice", timedelta(days=days))
            certificates.append(
                {
                    "now": CLOCK["now"].timestamp(),
                    "days": days,
                    "text": grid_manager.json.dumps(signed.marshal(), indent=4),
                }
            )

    # What a client makes of the certificate of a day, of two days, of somebody else, and of none.
    CLOCK["now"] = NOW
    announced = [manager.sign("alice", timedelta(days=days)) for days in [1, 2]]
    forged = json.loads(grid_manager.json.dumps(announced[1].marshal()))
    forged["certificate"] = forged["certificate"].replace("2023-11-16", "2033-11-16")
    announced = [json.loads(grid_manager.json.dumps(one.marshal())) for one in announced] + [forged]
    gates = []
    for manager_keys, chosen, server, days in [
        ([], [], ALICE, 0),
        ([MANAGER_PUBLIC], [], ALICE, 0),
        ([MANAGER_PUBLIC], [0], ALICE, 0.99),
        ([MANAGER_PUBLIC], [0], ALICE, 1.01),
        ([MANAGER_PUBLIC], [0, 1], ALICE, 1.01),
        ([MANAGER_PUBLIC], [0, 1], ALICE, 2.01),
        ([MANAGER_PUBLIC], [2], ALICE, 0),
        ([MANAGER_PUBLIC], [2, 1], ALICE, 0),
        ([MANAGER_PUBLIC], [0], BOB, 0),
        ([OTHER_PUBLIC], [0], ALICE, 0),
        ([OTHER_PUBLIC, MANAGER_PUBLIC], [0], ALICE, 0),
    ]:
        at = NOW + timedelta(days=days)
        permitted = grid_manager.create_grid_manager_verifier(
            [verifying(key) for key in manager_keys],
            [grid_manager.SignedCertificate.load(StringIO(json.dumps(announced[i]))) for i in chosen],
            server,
            lambda: at,
            lambda key, cert: None,
        )()
        gates.append([[k.decode() for k in manager_keys], chosen, server.decode(), at.timestamp(), permitted])

    # What the command prints of certificates that were good for 30 days, at several times.
    lists = []
    with TemporaryDirectory() as folder:
        at = FilePath(folder).child("gm")
        grid_manager.save_grid_manager(at, manager)
        CliRunner().invoke(command.grid_manager, ["--config", at.path, "sign", "alice", "30"])
        certificate = at.child("alice.cert.0").getContent().decode()
        for seconds in [0, 29 * 86400, 30 * 86400 - 7300, 30 * 86400 - 100, 30 * 86400 - 1,
                        30 * 86400 + 1, 33 * 86400, 95 * 86400, 3000 * 86400]:
            CLOCK["now"] = NOW + timedelta(seconds=seconds)
            said = CliRunner().invoke(command.grid_manager, ["--config", at.path, "list"])
            lists.append([CLOCK["now"].timestamp(), said.output])

write_json(
    "grid-manager/grid-manager.json",
    "Grid managers: the key and its identity, configurations, certificates by the time they were made, "
    "what clients do by them, and lists of them.",
    privateKey=MANAGER.decode(),
    identity=MANAGER_PUBLIC.decode(),
    servers={"alice": ALICE.decode(), "bøb": BOB.decode()},
    configs=configs,
    certificates=certificates,
    announced=announced,
    gates=gates,
    filed=certificate,
    lists=lists,
)

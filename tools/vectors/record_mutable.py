"""Mutable files: keys, caps, shares and the requests that store them, all made by upstream's publisher.

Upstream's nodes run in this process, see memory_grid.py.
"""

import ast
from base64 import b64decode
from pathlib import Path

import allmydata
from common import stretch, write_bytes, write_json
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from memory_grid import KEYS, PUBLISHED_KEYS, SECRETS, Grid, digest, keep, key_pair, salts, sign_data
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from allmydata import uri
from allmydata.crypto import rsa
from allmydata.interfaces import MDMF_VERSION, SDMF_VERSION
from allmydata.mutable import publish
from allmydata.mutable.common import derive_mutable_keys
from allmydata.mutable.layout import MDMFSlotReadProxy
from allmydata.mutable.publish import MutableData
from allmydata.storage.mutable import MutableShareFile
from allmydata.util import hashutil

KIB = 1024
MIB = 1024 * KIB
VERSIONS = {"sdmf": SDMF_VERSION, "mdmf": MDMF_VERSION}
DEFAULT_SEGMENT = publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE
LEASE_SEEDS = [stretch(b"a lease seed. ", 20), bytes(20), bytes(range(236, 256))]


# Keys.
# SHA-256 of the caps that upstream publishes for these keys, each followed by a line feed.
PUBLISHED = "439d370fa6020106c4cc357d815a957b6dc9e8fe25df53a5cdddc0802286b3e8"


def caps_of(writekey, fingerprint):
    ssk = uri.WriteableSSKFileURI(writekey, fingerprint)
    mdmf = uri.WriteableMDMFFileURI(writekey, fingerprint)
    caps = {}
    for name, cap in [
        ("sdmf", ssk),
        ("mdmf", mdmf),
        ("sdmfDirectory", uri.DirectoryURI(ssk)),
        ("mdmfDirectory", uri.MDMFDirectoryURI(mdmf)),
    ]:
        caps[name] = {
            "write": cap.to_string().decode("ascii"),
            "read": cap.get_readonly().to_string().decode("ascii"),
            "verify": cap.get_verify_cap().to_string().decode("ascii"),
        }
    return caps


def server_secrets(writekey, storage_index, seed):
    renewal = hashutil.file_renewal_secret_hash(SECRETS.get_renewal_secret(), storage_index)
    cancel = hashutil.file_cancel_secret_hash(SECRETS.get_cancel_secret(), storage_index)
    return {
        "leaseSeed": seed,
        "writeEnabler": hashutil.ssk_write_enabler_hash(writekey, seed),
        "renewSecret": hashutil.bucket_renewal_secret_hash(renewal, seed),
        "cancelSecret": hashutil.bucket_cancel_secret_hash(cancel, seed),
    }


def key_facts(pair):
    public, private = pair
    writekey, encrypted, fingerprint = derive_mutable_keys(pair)
    readkey = hashutil.ssk_readkey_hash(writekey)
    storage_index = hashutil.ssk_storage_index_hash(readkey)
    message = b"what is signed"
    return {
        "signingKey": rsa.der_string_from_signing_key(private),
        "verifyingKey": rsa.der_string_from_verifying_key(public),
        "writekey": writekey,
        "encryptedPrivateKey": encrypted,
        "fingerprint": fingerprint,
        "readkey": readkey,
        "storageIndex": storage_index,
        "caps": caps_of(writekey, fingerprint),
        "servers": [server_secrets(writekey, storage_index, seed) for seed in LEASE_SEEDS],
        "message": message,
        "signature": sign_data(private, message),
    }


def record_keys():
    write_bytes(PUBLISHED_KEYS, b"".join(KEYS))
    cases, lines, offset = [], "", 0
    for number, der in enumerate(KEYS):
        writekey, _, fingerprint = derive_mutable_keys(key_pair(number))
        which = ["sdmf", "mdmf"][number % 2]
        cap = caps_of(writekey, fingerprint)[which]["write"]
        lines += cap + "\n"
        cases.append({"offset": offset, "length": len(der), "format": which, "cap": cap})
        offset += len(der)
    assert digest(lines.encode("ascii")).hex() == PUBLISHED, "not the caps upstream published"
    write_json(
        "mutable/published.json",
        "The 240 mutable cases that upstream publishes (integration/vectors/test_vectors.yaml,"
        " 2023-01-16.2): the cap that follows from a private key. The file of keys holds each key as"
        " PKCS #8 DER at offset.",
        file=PUBLISHED_KEYS,
        cases=cases,
    )
    write_json(
        "mutable/keys.json",
        "All that upstream derives from the first of those private keys, by their number: keys and"
        " caps, the secrets for servers with these lease seeds given the client's leaseSecret, and a"
        " signature.",
        leaseSecret=stretch(b"lease secret. ", 32),
        keys=[key_facts(key_pair(number)) for number in range(KEY_COUNT)],
    )


def record_pem():
    folder = Path(allmydata.__file__).parent / "test/data"
    cases = []
    for path in sorted(folder.glob("openssl-rsa-2048*.txt")):
        pem = path.read_bytes()
        private = load_pem_private_key(pem, password=None)
        writekey, _, fingerprint = derive_mutable_keys((private.public_key(), private))
        cases.append(
            {
                "file": path.name,
                "pem": pem.decode("ascii"),
                "signingKey": rsa.der_string_from_signing_key(private),
                "caps": caps_of(writekey, fingerprint),
            }
        )
    write_json(
        "mutable/pem.json",
        "Private keys as text, from upstream's src/allmydata/test/data (PKCS #1 and PKCS #8): the"
        " PKCS #8 DER that upstream makes of each and the caps that follow.",
        cases=cases,
    )


async def share_facts(shares):
    """What the header of a version says, from upstream's own reader."""
    reader = MDMFSlotReadProxy(None, None, 0, shares[0])
    sequence, root, iv, segment, size, required, total, prefix, offsets = await reader.get_verinfo()
    facts = {
        "sequenceNumber": sequence,
        "rootHash": root,
        "segmentSize": segment,
        "signature": await reader.get_signature(),
        "signedPrefix": prefix,
        "offsets": dict(offsets),
        "shareSizes": sorted({len(data) for data in shares.values()}),
        "shareHashes": [digest(data)[:8] for data in shares.values()],
    }
    assert list(shares) == list(range(total))
    return facts


def request_facts(requests):
    """Each request in the order of share numbers; written data by length and hash."""
    facts = []
    for server, vectors, read_vector, wrote in requests:
        for number, (tests, writes, new_length) in vectors.items():
            facts.append(
                {
                    "shareNumber": number,
                    "server": server,
                    "tests": [[offset, length, specimen.hex()] for offset, length, _, specimen in tests],
                    "writes": [[offset, len(data), digest(data)[:8].hex()] for offset, data in writes],
                    "newLength": new_length,
                    "readVector": read_vector,
                    "wrote": wrote,
                }
            )
    return sorted(facts, key=lambda one: (one["shareNumber"], one["server"]))


# Files of one version: (segment size, sizes, {format: which shares to keep of 3 of 10, or all}).
KEY_COUNT = 6
PARAMS = [(3, 10), (1, 1), (2, 3)]
SMALL_SIZES = [0, 1, 36, 5000]
HASHED_SIZES = [128 * KIB - 1, 128 * KIB, 128 * KIB + 1, 300_000, MIB + 5]
KEPT_LARGE = {("mdmf", 3, 300_000): [1, 3, 7], ("mdmf", 2, 128 * KIB + 1): [0, 2]}


async def share_case(which, required, total, segment_size, size):
    publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE = segment_size
    label = f"{which}-{required}-{total}-{segment_size}-{size}"
    number = (VERSIONS[which] * 3 + PARAMS.index((required, total))) % KEY_COUNT
    seed = f"{label}. ".encode()
    data = stretch(seed, size)
    grid = Grid(required, total)
    salts.begin(label)
    node = grid.new_node()
    await node.create_with_keys(key_pair(number), MutableData(data), VERSIONS[which])
    shares = grid.shares()
    case = {
        "format": which,
        "required": required,
        "total": total,
        "size": size,
        "seed": seed,
        "plaintextHash": digest(data),
        "key": number,
        "cap": node.get_uri().decode("ascii"),
        "salts": list(salts.given),
        **await share_facts(shares),
    }
    kept = list(shares) if size < 50_000 else KEPT_LARGE.get((which, required, size))
    if kept is not None:
        case["kept"] = keep(f"mutable/shares/{label}.shares", shares, kept)
    read = await grid.node_of(node.get_cap().get_readonly()).download_best_version()
    assert read == data
    publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE = DEFAULT_SEGMENT
    return case


async def record_shares():
    cases = []
    for which in VERSIONS:
        for required, total in PARAMS:
            for size in SMALL_SIZES + HASHED_SIZES:
                cases.append(await share_case(which, required, total, DEFAULT_SEGMENT, size))
    for required, total in PARAMS:
        for size in [999, 1000, 9999]:
            cases.append(await share_case("mdmf", required, total, 1000, size))
    write_json(
        "mutable/shares.json",
        "The shares of the first version of a file. The plaintext is seed repeated to size, key the"
        " number of the key in keys.json, salts what upstream drew for its segments in this order (an"
        " IV in SDMF). offsets are those of upstream's version tuple. shareHashes are the first 8"
        " bytes of the SHA-256 of each share's data, 0 to total - 1, with this signature in them. A"
        " kept file holds the named shares' data one after the other. Upstream's segment size is"
        " 131072, raised to a multiple of required; where it is about 1000 upstream was told so.",
        cases=cases,
    )


# Files of several versions.
HISTORIES = [
    ("sdmf-rewritten", "sdmf", 3, 10, 1000, 0, [("create", 500), ("overwrite", 500), ("overwrite", 4000), ("overwrite", 0)]),
    ("mdmf-rewritten", "mdmf", 3, 10, 1000, 1, [("create", 2500), ("overwrite", 2500), ("overwrite", 9000), ("overwrite", 700), ("overwrite", 0)]),
    ("sdmf-updated", "sdmf", 2, 3, 1000, 2, [("create", 3000), ("update", 1000, 500), ("update", 3000, 700)]),
    ("mdmf-within", "mdmf", 3, 10, 1000, 3, [("create", 7500), ("update", 2400, 100), ("update", 1990, 30), ("update", 0, 1), ("update", 7400, 100)]),
    ("mdmf-aligned", "mdmf", 2, 3, 1000, 4, [("create", 6000), ("update", 2000, 1000), ("update", 1000, 3000), ("update", 5000, 1000)]),
    ("mdmf-appended", "mdmf", 3, 10, 1000, 5, [("create", 5000), ("update", 5000, 1), ("update", 5001, 1500), ("update", 6501, 3000)]),
    ("mdmf-over-the-end", "mdmf", 2, 3, 1000, 0, [("create", 4100), ("update", 4000, 500), ("update", 4400, 3000)]),
    ("mdmf-default", "mdmf", 3, 10, DEFAULT_SEGMENT, 1, [("create", 500_000), ("update", 200_000, 1024), ("update", 500_000, 1000)]),
]


async def change(node, pair, which, before, step, data):
    """Makes the next version. Gives the whole plaintext after it."""
    if step[0] == "create":
        await node.create_with_keys(pair, MutableData(data), VERSIONS[which])
        return data
    if step[0] == "overwrite":
        await node.overwrite(MutableData(data))
        return data
    offset = step[1]
    version = await node.get_best_mutable_version()
    await version.update(MutableData(data), offset)
    return before[:offset] + data + before[offset + len(data) :]


async def history(name, which, required, total, segment_size, key, steps):
    publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE = segment_size
    grid = Grid(required, total)
    cap, plaintext, versions = None, b"", []
    for number, step in enumerate(steps):
        label = f"{name} {number + 1}"
        seed = f"{label}. ".encode()
        data = stretch(seed, step[-1])
        # Each step starts from the cap alone, as a client of another process would.
        node = grid.new_node() if cap is None else grid.node_of(cap)
        salts.begin(label)
        grid.requests.clear()
        plaintext = await change(node, key_pair(key), which, plaintext, step, data)
        cap = node.get_cap()
        shares = grid.shares()
        version = {
            "do": step[0],
            **({"offset": step[1]} if step[0] == "update" else {}),
            "seed": seed,
            "dataSize": len(data),
            "size": len(plaintext),
            "plaintextHash": digest(plaintext),
            "salts": list(salts.given),
            **await share_facts(shares),
            "requests": request_facts(grid.requests),
        }
        if segment_size != DEFAULT_SEGMENT:
            kept = sorted(set(range(required)) | {total - 1})
            version["kept"] = keep(f"mutable/versions/{name}-{number + 1}.shares", shares, kept)
        reread = await grid.node_of(cap.get_readonly()).download_best_version()
        assert reread == plaintext, label
        versions.append(version)
    publish.DEFAULT_MUTABLE_MAX_SEGMENT_SIZE = DEFAULT_SEGMENT
    return {
        "name": name,
        "format": which,
        "required": required,
        "total": total,
        "key": key,
        "cap": cap.to_string().decode("ascii"),
        "versions": versions,
    }


async def record_versions():
    write_json(
        "mutable/versions.json",
        "Files changed several times, each time by a node that knows the cap alone. The data of a"
        " step is seed repeated to dataSize; an update puts it at offset. size and plaintextHash are"
        " of the whole file afterwards. requests are all writes that upstream sent, by share number:"
        " tests as [offset, length, specimen], writes as [offset, length, first 8 bytes of the"
        " SHA-256]. The rest is as in shares.json.",
        cases=[await history(*one) for one in HISTORIES],
    )


def record_old_shares():
    """The shares that upstream's test/mutable/test_interoperability.py carries."""
    source = Path(allmydata.__file__).parent / "test/mutable/test_interoperability.py"
    values, files = {}, {}
    body = next(node for node in ast.parse(source.read_bytes()).body if isinstance(node, ast.ClassDef)).body
    for node in body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Subscript):
            files[target.slice.value] = b64decode(node.value.value)
        else:
            values[target.id] = node.value.value
    write_json(
        "mutable/old-shares.json",
        "A file stored by an upstream before MDMF, from its"
        " src/allmydata/test/mutable/test_interoperability.py. container is the whole file on the"
        " server's disk, data the share in it.",
        cap=values["sdmf_old_cap"].decode("ascii"),
        plaintext=values["sdmf_old_contents"],
        shares=[
            {"shareNumber": number, "container": files[number], "data": share_data(files[number])}
            for number in sorted(files)
        ],
    )


def share_data(container):
    path = Path("old-mutable-share.tmp")
    path.write_bytes(container)
    try:
        return MutableShareFile(str(path)).readv([(0, len(container))])[0]
    finally:
        path.unlink()


async def main():
    record_keys()
    record_pem()
    record_old_shares()
    await record_shares()
    await record_versions()


react(lambda _reactor: ensureDeferred(main()))

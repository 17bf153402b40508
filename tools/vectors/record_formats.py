"""Hashes, text encodings, caps, hash trees, AES-CTR, Ed25519 strings and URI extension blocks."""

import hashlib
import inspect
import random

from common import stretch, write_json

from allmydata import hashtree, uri
from allmydata.crypto import aes, ed25519
from allmydata.immutable.filenode import DecryptingConsumer
from allmydata.util import base32, base62, hashutil, netstring


def digest(text, size=32):
    """Bytes that depend on a text alone."""
    out = b""
    while len(out) < size:
        out += hashlib.sha256(b"%d:%s" % (len(out), text.encode("ascii"))).digest()
    return out[:size]


def name_of(error):
    return type(error).__name__


# Hashes.

ONE_VALUE = [
    "storage_index_hash", "block_hash", "uri_extension_hash", "plaintext_hash", "crypttext_hash",
    "crypttext_segment_hash", "plaintext_segment_hash", "my_renewal_secret_hash",
    "my_cancel_secret_hash", "ssk_writekey_hash", "ssk_write_enabler_master_hash",
    "ssk_pubkey_fingerprint_hash", "ssk_readkey_hash", "ssk_storage_index_hash",
    "mutable_rwcap_salt_hash", "backupdb_dirhash",
]
TWO_VALUES = {
    "file_renewal_secret_hash": (32, 16), "file_cancel_secret_hash": (32, 16),
    "bucket_renewal_secret_hash": (32, 20), "bucket_cancel_secret_hash": (32, 20),
    "ssk_write_enabler_hash": (16, 20), "ssk_readkey_data_hash": (16, 16),
    "mutable_rwcap_key_hash": (16, 16), "permute_server_hash": (16, 20), "hmac": (32, 100),
}
HASHERS = [
    "block_hasher", "uri_extension_hasher", "plaintext_hasher", "crypttext_hasher",
    "crypttext_segment_hasher", "plaintext_segment_hasher",
]


def record_hashes():
    cases = []

    def case(function, args, result):
        cases.append({"function": function, "args": args, "result": result})

    values = [b"", b"\0", b"abc", digest("key", 16), digest("hash"), digest("long", 1000)]
    for function in ONE_VALUE:
        for value in values:
            case(function, [value], getattr(hashutil, function)(value))
    for function, sizes in TWO_VALUES.items():
        for turn in range(4):
            args = [digest("%s %d %d" % (function, turn, i), size) for i, size in enumerate(sizes)]
            if turn == 3 and sizes[1] != 20:
                args = [digest("short", 3), b""]
            case(function, args, getattr(hashutil, function)(*args))
    for tag in [b"", b"tag", digest("tag", 200)]:
        for truncate_to in [None, 1, 16, 32]:
            for value in values[:5]:
                case("tagged_hash", [tag, value, truncate_to],
                     hashutil.tagged_hash(tag, value, truncate_to))
                case("tagged_pair_hash", [tag, value, b"second", truncate_to],
                     hashutil.tagged_pair_hash(tag, value, b"second", truncate_to))
    for k, n, segsize, secret in [
        (1, 1, 1, b""), (3, 10, 131072, b""), (3, 10, 1048576, digest("secret")),
        (256, 256, 2**40, b"short"), (1, 256, 131073, digest("secret", 300)), (25, 100, 0, b"x"),
    ]:
        for data in [b"", b"abc", digest("data", 500)]:
            case("convergence_hash", [k, n, segsize, data, secret],
                 hashutil.convergence_hash(k, n, segsize, data, secret))
    for index in [0, 1, 9, 10, 255, 2**20, 2**31 - 1]:
        case("empty_leaf_hash", [index], hashtree.empty_leaf_hash(index))
    for turn in range(4):
        pair = [digest("left %d" % turn), digest("right %d" % turn)]
        case("pair_hash", pair, hashtree.pair_hash(*pair))
    case("pair_hash", [b"", b"a"], hashtree.pair_hash(b"", b"a"))

    running = []
    for function in HASHERS:
        for pieces in [[], [b"abc"], [b"a", b"", b"bc", digest("long", 1000)]]:
            hasher = getattr(hashutil, function)()
            for piece in pieces:
                hasher.update(piece)
            running.append({"function": function, "pieces": pieces, "result": hasher.digest()})
    big = []
    for length in [4095, 4096, 4097, 131072, 1000003]:
        big.append({"seed": b"ring", "length": length,
                    "block_hash": hashutil.block_hash(stretch(b"ring", length))})
    refused = []
    for function, args in [
        ("convergence_hash", [0, 1, 1, b"", b""]), ("convergence_hash", [2, 1, 1, b"", b""]),
        ("convergence_hash", [1, 257, 1, b"", b""]), ("convergence_hash", [257, 257, 1, b"", b""]),
        ("convergence_hash", [-1, 1, 1, b"", b""]),
        ("bucket_renewal_secret_hash", [b"a", b"19 bytes............"[:19]]),
        ("bucket_cancel_secret_hash", [b"a", b""]), ("ssk_write_enabler_hash", [b"a", b"b" * 21]),
    ]:
        try:
            getattr(hashutil, function)(*args)
        except Exception as error:
            refused.append({"function": function, "args": args, "error": name_of(error)})
    functions = sorted(
        name for name, value in inspect.getmembers(hashutil, inspect.isfunction)
        if value.__module__ == hashutil.__name__ and not name.startswith("_")
    )
    write_json(
        "hashutil/hashes.json",
        "Each function of allmydata.util.hashutil, and the two of allmydata.hashtree, on arguments;"
        " `functions` is the list of all that hashutil has.",
        functions=functions, cases=cases, running=running, big=big, refused=refused,
    )


# Text encodings.

def base32_verdict(text):
    try:
        return base32.a2b(text)
    except Exception:
        return None


def record_base32():
    encoded = []
    for length in range(26):
        for value in [digest("base32 %d" % length, length), b"\0" * length, b"\xff" * length]:
            encoded.append({"bytes": value, "text": base32.b2a(value).decode()})
    decoded = []
    texts = [b"a" * (length - 1) + base32.chars[i:i + 1] for length in range(1, 17) for i in range(32)]
    texts += [b"", b"ae", b"AE", b"aE", b"a1", b"a0", b"a8", b"a9", b"ae======", b" ae", b"ae ", b"ae\n",
              b"a-", b"ab/d", b"abcdefg!", b"\xc3\xa9aaaaaa", b"me======", b"77777777", b"777777777777"]
    for text in texts:
        value = base32_verdict(text)
        assert (value is not None) == bool(base32.could_be_base32_encoded(text)), text
        decoded.append({"text": text.decode("utf-8"), "bytes": value})
    write_json(
        "encodings/base32.json",
        "base32.b2a of bytes, and base32.a2b of texts (null: refused).",
        encoded=encoded, decoded=decoded,
    )


def record_base62():
    encoded = []
    for length in range(24):
        for value in [digest("base62 %d" % length, length), b"\0" * length, b"\xff" * length]:
            text = base62.b2a(value)
            assert base62.a2b(text) == value
            encoded.append({"bytes": value, "text": text.decode()})
    write_json("encodings/base62.json", "base62.b2a of bytes; a2b gives the bytes back.", encoded=encoded)


def record_netstrings():
    encoded = [{"bytes": v, "netstring": netstring.netstring(v)}
               for v in [b"", b"a", b"hello world", b"1:a,", digest("netstring", 1234)]]
    split = []
    three = b"1:a,0:,3:b:,,"
    for data, count, position, trailer in [
        (b"0:,", 1, 0, None), (three, 1, 0, None), (three, 2, 0, None), (three, 3, 0, None),
        (three, 4, 0, None), (three, 1, 4, None), (three, 2, 4, None), (three, 1, 7, b""),
        (three, 3, 0, b""), (three + b"end", 3, 0, b"end"), (three + b"end", 3, 0, b"en"),
        (three + b"end", 3, 0, b"ends"), (three + b"end", 3, 0, None), (three + b"end", 3, 0, b"dne"),
        (three, 2, 0, b""), (b"", 1, 0, None), (b"5:hello", 1, 0, None), (b"5:hell,", 1, 0, None),
        (b"5:hello.", 1, 0, None), (b"5hello,", 1, 0, None), (b":hello,", 1, 0, None),
        (b"x:hello,", 1, 0, None), (b"5", 1, 0, None), (b"5:", 1, 0, None), (b",", 1, 0, None),
        (b"3:abcd,", 1, 0, None), (b"10:123456789,", 1, 0, None), (b"1:a,", 1, 4, None),
        (b"99999999999999999999:a,", 1, 0, None), (b"1.0:a,", 1, 0, None), (b"0x1:a,", 1, 0, None),
    ]:
        entry = {"data": data, "count": count, "position": position, "requiredTrailer": trailer}
        try:
            elements, end = netstring.split_netstring(data, count, position, trailer)
            entry.update(elements=elements, end=end)
        except Exception as error:
            entry.update(error=name_of(error))
        split.append(entry)
    write_json(
        "encodings/netstring.json",
        "netstring of bytes, and split_netstring: elements and the new position, or Python's error.",
        encoded=encoded, split=split,
    )


# Caps.

def some_caps():
    write_key, read_key, index = digest("writekey", 16), digest("readkey", 16), digest("si", 16)
    finger = digest("fingerprint")
    files = [
        uri.WriteableSSKFileURI(write_key, finger), uri.ReadonlySSKFileURI(read_key, finger),
        uri.SSKVerifierURI(index, finger), uri.WriteableMDMFFileURI(write_key, finger),
        uri.ReadonlyMDMFFileURI(read_key, finger), uri.MDMFVerifierURI(index, finger),
    ]
    for data in [b"", b"\0", b"hi", b"abc", b"four", b"fives", digest("literal", 55), digest("literal", 56)]:
        files.append(uri.LiteralFileURI(data))
    for k, n, size in [(1, 1, 56), (3, 10, 1000), (256, 256, 2**53 - 1), (1, 256, 0), (25, 100, 10**12)]:
        key, hash_ = digest("key %d" % size, 16), digest("ueb %d" % size)
        files += [uri.CHKFileURI(key, hash_, k, n, size), uri.CHKFileVerifierURI(index, hash_, k, n, size)]
    directories = []
    for cap in files:
        if isinstance(cap, uri.SSKVerifierURI):
            directories.append(uri.DirectoryURIVerifier(cap))
        elif isinstance(cap, uri.MDMFVerifierURI):
            directories.append(uri.MDMFDirectoryURIVerifier(cap))
        elif isinstance(cap, uri.CHKFileVerifierURI):
            directories.append(uri.ImmutableDirectoryURIVerifier(cap))
        else:
            directories.append(uri.wrap_dirnode_cap(cap))
    return files, directories


def text_of(cap):
    return None if cap is None else cap.to_string().decode("utf-8", "surrogateescape")


FIELDS = {
    "key": "key", "uri_extension_hash": "uriExtensionHash", "needed_shares": "requiredShares",
    "total_shares": "totalShares", "size": "size", "writekey": "writekey", "readkey": "readkey",
    "fingerprint": "fingerprint", "data": "data",
}


def described(text, deep_immutable=False):
    """What upstream makes of a text."""
    given = text if isinstance(text, bytes) else text.encode("utf-8")
    cap = uri.from_string(given, deep_immutable=deep_immutable, name="child")
    entry = {"text": text, "deepImmutable": deep_immutable, "class": type(cap).__name__}
    assert cap.to_string() == given or type(cap) is not uri.UnknownURI
    if isinstance(cap, uri.UnknownURI):
        error = cap.get_error()
        entry["error"] = error and name_of(error)
        return entry
    entry.update(
        printed=text_of(cap), readonly=cap.is_readonly(), mutable=cap.is_mutable(),
        readCap=text_of(cap.get_readonly()), storageIndex=cap.get_storage_index(),
    )
    # Verifiers of immutable and MDMF directories fail when asked for their verify cap.
    verifier = "Verifier" in type(cap).__name__
    entry["verifyCap"] = text_of(cap if verifier else cap.get_verify_cap())
    inner = getattr(cap, "_filenode_uri", cap)
    entry["fields"] = {ours: getattr(inner, theirs) for theirs, ours in FIELDS.items()
                       if hasattr(inner, theirs)}
    return entry


def malformed(files, directories):
    """Texts that are no caps, or nearly none; upstream takes some of them."""
    key, hash_ = base32.b2a(digest("key", 16)).decode(), base32.b2a(digest("hash")).decode()
    texts = []
    for cap in [files[0], files[1], files[2], files[3], files[5], files[14], files[15], directories[0], directories[4]]:
        text = text_of(cap)
        parts = text.split(":")
        texts += [
            text[:-1], text + "a", text + ":", text + ":3", text + ":3:131073", text + ":ext:more",
            text + "\n", text + "\n\n", text + " ", " " + text, text.lower(), text.upper(),
            text.replace(":", "%3A"), ":".join(parts[:-1]), ":".join(parts[:2]), ":".join(parts[:2]) + ":",
            text.replace(parts[2], parts[2][:-1]), text.replace(parts[2], parts[2] + "a"),
            text.replace(parts[2], parts[2][:-1] + "7"), text.replace(parts[2], "1" + parts[2][1:]),
            text.replace(parts[3], parts[3][:-1] + "b"), text.replace(parts[3], parts[3][:-1]),
            text + "/path", "ro." + text + "x", "imm." + text + "x",
        ]
    for kind in ["CHK", "CHK-Verifier", "DIR2-CHK", "DIR2-CHK-Verifier"]:
        base = f"URI:{kind}:{key}:{hash_}:"
        texts += [base + tail for tail in [
            "3:10:100", "03:010:00100", "+3:10:100", "-3:10:100", "3:10:-1", "3:10:1e3", "3:10:", "3:10",
            "3::100", ":10:100", "3:10:100:", "3:10:100x", "3:10:100 ", "3:10:100:junk", "3:10:1.5", "three:10:100",
            "3:10:0x10", "3:10:\u0661", "3 :10:100", "3:10:100\n", "3:10:1_000",
            # Numbers that upstream lets through though no file can have them.
            "0:10:100", "0:0:100", "11:10:100", "3:257:100", "257:257:100", "3:10:9007199254740992",
            "3:10:18446744073709551616",
        ]]
    for text in ["a", "b", "ab", "ac", "ae", "AE", "abc", "aaaa", "aaai", "aaaaa", "aaaab", "aaaaaa", "aaaaaaa",
                 "aaaaaae", "aaaaaaf", "aaaaaaaa", "aaaaaaaaa", "a=", "me======", "1", "0", " ", "ae:ae", "\n", "ae\n"]:
        texts += ["URI:LIT:" + text, "URI:DIR2-LIT:" + text]
    texts += [
        "", ":", "URI", "URI:", "URI::", "uri:CHK:", "URI:CHK", "URI:CHK:", "URI:LIT", "URI:LIT:", "URI:SSK:",
        "URI:SSK::", "URI:MDMF", "URI:MDMF:", "URI:DIR2", "URI:DIR2:", "URI:DIR2-LIT:", "URI:NOPE:abc", "ro.", "imm.",
        "ro.ro.URI:LIT:", "imm.ro.URI:LIT:", "ro.imm.URI:LIT:", "imm.imm.URI:LIT:", "lafs://from_the_future",
        "ro.lafs://from_the_future", "imm.lafs://from_the_future", "lafs://\u263a", "x-tahoe-future-test-writeable:a",
        "x-tahoe-future-test-mutable:a", "http://127.0.0.1:3456/uri/URI:LIT:", "\0", "a" * 3000,
    ]
    return texts


def record_caps():
    files, directories = some_caps()
    caps = [described(text_of(cap)) for cap in files + directories]
    constrained = []
    futures = ["x-tahoe-future-test-writeable:a", "x-tahoe-future-test-mutable:a", "lafs://future"]
    kinds = {type(cap).__name__: text_of(cap) for cap in files + directories}
    for text in list(kinds.values()) + futures:
        for prefix in ["", "ro.", "imm."]:
            for deep_immutable in [False, True]:
                constrained.append(described(prefix + text, deep_immutable))
    seen = dict.fromkeys(malformed(files, directories))
    refused, taken = [], []
    for text in seen:
        entry = described(text)
        (refused if entry["class"] == "UnknownURI" else taken).append(entry)
    prefixes = [{"text": text, "hasUriPrefix": uri.has_uri_prefix(text)} for text in
                ["", "URI:", "URI:x", "ro.URI:x", "imm.URI:x", "ro.imm.URI:x", "uri:x", " URI:x", "lafs:URI:", "x.URI:x"]]
    write_json(
        "uri/caps.json",
        "What uri.from_string makes of texts: the class, the printed text, what it attenuates to, its fields; for"
        " UnknownURI the error. `caps` are well-formed, `constrained` stand in places that may forbid them,"
        " `refused` are malformed, `taken` look malformed and are let through.",
        caps=caps, constrained=constrained, refused=refused, taken=taken, prefixes=prefixes,
    )


# URI extension blocks.

def record_extensions():
    whole = {
        "codec_name": b"crs", "codec_params": b"131072-3-10", "tail_codec_params": b"1000-3-10", "size": 1000,
        "segment_size": 131072, "num_segments": 1, "needed_shares": 3, "total_shares": 10,
        "crypttext_hash": digest("crypttext"), "crypttext_root_hash": digest("crypttext root"),
        "share_root_hash": digest("share root"),
    }
    old = dict(whole, plaintext_hash=digest("plaintext"), plaintext_root_hash=digest("plaintext root"))
    future = dict(whole, **{"zz-future_Field": b"any\0thing:,", "A": b""})
    big = dict(whole, size=2**53 - 1, num_segments=2**20)
    packed = []
    for fields in [whole, old, future, big]:
        data = uri.pack_extension(fields)
        packed.append({"fields": fields, "packed": data, "hash": hashutil.uri_extension_hash(data),
                       "unpacked": uri.unpack_extension(data)})
    partial = [{"fields": fields, "packed": uri.pack_extension(fields)}
               for fields in [{}, {"a": b""}, {"size": 0}, {"b": b"2", "a": b"1", "B": b"3", "-": b"4", "_": b"5"}]]
    good = uri.pack_extension(whole)
    refused = []
    for data in [good[:-1], good[:-2], good + b"x", good + b":", good + b"x:", good + b"x:1", good + b"x:1:",
                 good + b"x:1:ab,", good + b"x:2:a,", good + b"x:a:a,", good.replace(b"size:4:1000", b"size:4:10x0"),
                 good.replace(b"size:4:1000", b"size:0:")]:
        try:
            uri.unpack_extension(data)
            verdict = None
        except Exception as error:
            verdict = name_of(error)
        refused.append({"packed": data, "error": verdict})
    write_json(
        "ueb/blocks.json",
        "uri.pack_extension and unpack_extension; `partial` are packed only; for `refused` the error of"
        " unpack_extension (null: upstream reads something into it).",
        packed=packed, partial=partial, refused=refused,
    )


# Hash trees.

def tree_verdict(tree, hashes, leaves):
    try:
        tree.set_hashes(hashes, leaves)
        return "ok"
    except (hashtree.BadHashError, hashtree.NotEnoughHashesError) as error:
        return name_of(error)


def scenario(rng, count):
    """Steps that fill a tree from its root, right and wrong ones, each with upstream's verdict."""
    leaves = [digest("scenario leaf %d" % i) for i in range(count)]
    whole = hashtree.HashTree(leaves)
    tree = hashtree.IncompleteHashTree(count)
    steps = []

    def step(hashes, leaves_):
        verdict = tree_verdict(tree, dict(hashes), dict(leaves_))
        steps.append({
            "hashes": [[i, h] for i, h in sorted(hashes.items())],
            "leaves": [[i, h] for i, h in sorted(leaves_.items())],
            "verdict": verdict, "known": [i for i, h in enumerate(tree) if h is not None],
        })

    step({0: whole[0]}, {})
    for leaf in rng.sample(range(count), min(count, 4)):
        needed = sorted(tree.needed_hashes(leaf))
        chain = {i: whole[i] for i in needed}
        own = {leaf: leaves[leaf]}
        if needed:
            wrong = rng.choice(needed)
            step({**chain, wrong: digest("wrong")}, own)
            missing = rng.choice(needed)
            step({i: h for i, h in chain.items() if i != missing}, own)
        step(chain, {leaf: digest("wrong leaf")})
        node = whole.first_leaf_num + leaf
        step({**chain, node: digest("conflict")}, own)
        step(chain, own)
        step(chain, own)
    return {"leafCount": count, "leaves": leaves, "steps": steps}


def record_trees():
    trees = []
    for count in list(range(10)) + [16, 17, 33]:
        leaves = [digest("leaf %d" % i) for i in range(count)]
        tree = hashtree.HashTree(leaves)
        needed = [{"leaf": i, "needed": tree.needed_hashes(i), "withLeaf": tree.needed_hashes(i, True)}
                  for i in range(count)]
        trees.append({"leaves": leaves, "nodes": list(tree), "needed": needed})
    roots = []
    for count in [100, 1000, 1024, 1025]:
        leaves = [digest("leaf %d" % i) for i in range(count)]
        roots.append({"leafCount": count, "leafText": "leaf %d", "root": hashtree.HashTree(leaves)[0]})
    rng = random.Random(4)
    scenarios = [scenario(rng, count) for count in [1, 2, 3, 5, 8, 10, 20]]
    write_json(
        "hashtree/trees.json",
        "HashTree over leaves: all nodes, and needed_hashes of each leaf; `roots`: leaf number i is SHA-256 of"
        " '0:leaf i'; `scenarios`: IncompleteHashTree.set_hashes step by step, the verdict and the indexes of"
        " the nodes that are known after it.",
        trees=trees, roots=roots, scenarios=scenarios,
    )


# AES-CTR.

class Sink:
    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data


def record_aes():
    cases = []
    key = digest("aes", 16)
    for iv in [None, digest("iv", 16), b"\xff" * 16, b"\0" * 15 + b"\xff", b"\0" * 8 + b"\xff" * 8]:
        for sizes in [[0], [1], [16], [17], [15, 1, 16, 3, 100], [100, 0, 28]]:
            encryptor = aes.create_encryptor(key, iv)
            pieces = [digest("plain %d" % i, size) for i, size in enumerate(sizes)]
            cases.append({"key": key, "iv": iv, "pieces": pieces,
                          "encrypted": [aes.encrypt_data(encryptor, piece) for piece in pieces]})
    offsets = []
    for offset in [0, 1, 15, 16, 17, 31, 4095, 4096, 65537, 2**20 + 3, 2**32 - 1, 2**36 - 1, 2**36, 2**36 + 5,
                   2**44 + 7, 2**52 + 9, 2**53 - 1]:
        sink = Sink()
        consumer = DecryptingConsumer(sink, key, offset)
        data = digest("ciphertext", 50)
        consumer.write(data)
        offsets.append({"key": key, "offset": offset, "data": data, "result": sink.data})
    big = []
    for length in [65535, 65536, 65537, 200001]:
        encryptor = aes.create_encryptor(key)
        result = aes.encrypt_data(encryptor, stretch(b"big data", length))
        big.append({"key": key, "seed": b"big data", "length": length, "sha256": hashlib.sha256(result).digest()})
    write_json(
        "aes/ctr.json",
        "AES-128-CTR: `cases` piece by piece from an initial counter block (null: zero); `offsets` as a reader"
        " decrypts from that byte of a file on.",
        cases=cases, offsets=offsets, big=big,
    )


# Ed25519.

def record_ed25519():
    keys = []
    for i in range(4):
        seed = digest("ed25519 %d" % i)
        private, public = ed25519.signing_keypair_from_string(b"priv-v0-" + base32.b2a(seed))
        text = ed25519.string_from_verifying_key(public)
        message = digest("message", 50 * i)
        keys.append({
            "seed": seed, "privateString": ed25519.string_from_signing_key(private).decode(),
            "publicKey": base32.a2b(text[len(b"pub-v0-"):]), "publicString": text.decode(),
            "message": message, "signature": ed25519.sign_data(private, message),
        })
    good = keys[0]["publicString"]
    refused = []
    for text in ["", "pub-v0-", good[:-1], good + "a", good.upper(), good.replace("v0", "v1"), good[4:], " " + good,
                 good[:-1] + "h", keys[0]["privateString"], good.replace("pub", "priv")[:-2], "pub-v0-" + "a" * 53,
                 "pub-v0-" + "a" * 51]:
        try:
            ed25519.verifying_key_from_string(text.encode())
            verdict = None
        except Exception as error:
            verdict = name_of(error)
        refused.append({"text": text, "error": verdict})
    write_json(
        "ed25519/keys.json",
        "Key strings and signatures; for `refused` the error of verifying_key_from_string.",
        keys=keys, refused=refused,
    )


record_hashes()
record_base32()
record_base62()
record_netstrings()
record_caps()
record_extensions()
record_trees()
record_aes()
record_ed25519()

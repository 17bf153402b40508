"""RSA: keys in every form that upstream reads, and signatures that it takes or refuses.

Upstream's signatures differ each time, by their salts. So the signatures here are made from fixed
salts with the formulas of RFC 8017, and upstream says which of them are good.
"""

import hashlib
from base64 import b64decode
from importlib.resources import files

from allmydata.crypto import rsa
from allmydata.crypto.error import BadSignature
from allmydata.util import hashutil
from cryptography.hazmat.primitives.asymmetric import rsa as primitives
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from common import write_json

DATA = files("allmydata") / "test" / "data"


def stored(name):
    return (DATA / name).read_text()


def mgf1(seed, length, hash):
    out = b""
    for counter in range(length // hash().digest_size + 1):
        out += hash(seed + counter.to_bytes(4, "big")).digest()
    return out[:length]


def pss(key, message, salt, hash=hashlib.sha256, mask_hash=hashlib.sha256, trailer=0xBC):
    """RFC 8017, 9.1.1 with 2047 bits, then 5.2.1."""
    numbers = key.private_numbers()
    digest = hash(bytes(8) + hash(message).digest() + salt).digest()
    block = bytes(256 - len(digest) - len(salt) - 2) + b"\x01" + salt
    mask = mgf1(digest, len(block), mask_hash)
    masked = bytearray(a ^ b for a, b in zip(block, mask))
    masked[0] &= 0x7F
    encoded = int.from_bytes(bytes(masked) + digest + bytes([trailer]), "big")
    return pow(encoded, numbers.d, numbers.public_numbers.n).to_bytes(256, "big")


def key_with_exponent(key, e):
    """The key of the same primes with another public exponent."""
    old = key.private_numbers()
    d = pow(e, -1, (old.p - 1) * (old.q - 1))
    n = old.public_numbers.n
    dmp1, dmq1 = d % (old.p - 1), d % (old.q - 1)
    public = primitives.RSAPublicNumbers(e, n)
    numbers = primitives.RSAPrivateNumbers(old.p, old.q, d, dmp1, dmq1, old.iqmp, public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def accepted(key, signature, message):
    try:
        rsa.verify_signature(key, signature, message)
        return True
    except BadSignature:
        return False


def signatures(key):
    """Each with what is special of it."""
    salt = hashlib.sha256(b"salt").digest()
    message = b"a message"
    good = pss(key, message, salt)
    flipped = bytes([good[0], good[1] ^ 1]) + good[2:]
    n = key.private_numbers().public_numbers.n
    return [
        ("good", good, message),
        ("another salt", pss(key, message, bytes(32)), message),
        ("no message", pss(key, b"", salt), b""),
        ("a message of 100,000 bytes", pss(key, bytes(100_000), salt), bytes(100_000)),
        ("another message", good, b"another message"),
        ("a flipped bit", flipped, message),
        ("no salt", pss(key, message, b""), message),
        ("a salt of 20 bytes", pss(key, message, salt[:20]), message),
        ("a salt of 33 bytes", pss(key, message, salt + b"x"), message),
        ("the largest salt", pss(key, message, salt * 6 + salt[:30]), message),
        ("MGF1 with SHA-1", pss(key, message, salt, mask_hash=hashlib.sha1), message),
        ("SHA-1", pss(key, message, salt, hash=hashlib.sha1), message),
        ("another trailer", pss(key, message, salt, trailer=0xCC), message),
        ("a byte too few", good[1:], message),
        ("a byte too many", good + b"\x00", message),
        ("a zero before", b"\x00" + good, message),
        ("nothing", b"", message),
        ("zeros", bytes(256), message),
        ("ones", b"\xff" * 256, message),
        ("not reduced", (int.from_bytes(good, "big") + n).to_bytes(257, "big")[-256:], message),
    ]


def described(name, key):
    private_der = rsa.der_string_from_signing_key(key)
    again, public = rsa.create_signing_keypair_from_string(private_der)
    assert rsa.der_string_from_signing_key(again) == private_der
    public_der = rsa.der_string_from_verifying_key(public)
    cases = [
        {"name": what, "message": message if len(message) < 1000 else f"zeros {len(message)}",
         "signature": signature, "valid": accepted(public, signature, message)}
        for what, signature, message in signatures(key)
    ]
    own = rsa.sign_data(key, b"own")
    assert len(own) == 256 and accepted(public, own, b"own")
    return {
        "name": name,
        "exponent": key.private_numbers().public_numbers.e,
        "privateDer": private_der,
        "publicDer": public_der,
        "writekey": hashutil.ssk_writekey_hash(private_der),
        "fingerprint": hashutil.ssk_pubkey_fingerprint_hash(public_der),
        "signatures": cases,
    }


def refused(name, der):
    """Upstream must refuse the key, and its reason is its own."""
    try:
        rsa.create_signing_keypair_from_string(der)
    except (ValueError, AssertionError):
        return {"name": name, "der": der}
    raise AssertionError(f"upstream takes {name}")


old = b64decode(stored("pycryptopp-rsa-2048-priv.txt"))
old_key, old_public = rsa.create_signing_keypair_from_string(old)
assert rsa.der_string_from_signing_key(old_key) == old
assert rsa.der_string_from_verifying_key(old_public) == b64decode(
    stored("pycryptopp-rsa-2048-pub.txt")
)

pem_names = ["openssl-rsa-2048.txt"] + [f"openssl-rsa-2048-{i}.txt" for i in (2, 3, 4)]
pems = []
for name in pem_names:
    text = stored(name)
    key = load_pem_private_key(text.encode(), password=None)
    der = rsa.der_string_from_signing_key(key)
    pems.append({"name": name, "pem": text, "privateDer": der})
    forms = {"PKCS #1": PrivateFormat.TraditionalOpenSSL, "PKCS #8": PrivateFormat.PKCS8}
    for label, form in forms.items():
        again = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
        if again != text:
            pems.append({"name": f"{name} as {label}", "pem": again, "privateDer": der})

first_key = load_pem_private_key(pems[0]["pem"].encode(), password=None)
keys = [described("made by pycryptopp", old_key), described("made by OpenSSL", first_key)]
for e in (3, 5, 35, 257, 2**31 - 1, 2**32 + 15):
    try:
        keys.append(described(f"exponent {e}", key_with_exponent(old_key, e)))
    except ValueError:
        pass

write_json(
    "rsa/keys.json",
    "RSA keys as upstream reads and writes them, what its mutable files derive from them, and"
    " signatures made with fixed salts: `valid` is upstream's answer. A message `zeros N` is N zero"
    " bytes; others are hexadecimal. `pems` give the PKCS #8 DER that upstream makes of each file;"
    " `refused` are DER of private keys that it does not take; `stored` is a signature that"
    " pycryptopp made of the message `test`.",
    keys=keys,
    pems=pems,
    refused=[
        refused("1024 bits", b64decode(stored("pycryptopp-rsa-1024-priv.txt"))),
        refused("32768 bits", b64decode(stored("pycryptopp-rsa-32768-priv.txt"))),
        refused("a public key", keys[0]["publicDer"]),
        refused("a byte missing", old[:-1]),
        refused("nothing", b""),
    ],
    stored={
        "privateDer": old,
        "message": b"test",
        "signature": b64decode(stored("pycryptopp-rsa-2048-sig.txt")),
    },
)

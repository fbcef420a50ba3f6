"""Verifies an audit log from docs/formats/audit.md alone, with another language's libraries.

Arguments: directory, PEM file of the public key. Prints entries, checkpoints and the last hash; ends with 1 at the
first fault. For logs with Ed25519 or ECDSA P-256 checkpoints; whole files only (no lines left by a failed write).
"""
import base64
import glob
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


def fault(place, what):
    print(f"{place}: {what}")
    sys.exit(1)


def without(line, name):
    """The text without its last member, which must be `name`."""
    at = line.rindex(f',"{name}":"'.encode())
    return line[:at] + b"}"


def verify_signature(key, message, signature):
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    else:
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def main(directory, key_file):
    with open(key_file, "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    names = sorted(glob.glob(os.path.join(directory, "audit.[0-9]*.log")))
    names.append(os.path.join(directory, "audit.log"))
    sequence, previous, checkpoints, seen = 0, "0" * 64, 0, {}
    for number, name in enumerate(names, start=1):
        with open(name, "rb") as file:
            lines = file.read().split(b"\n")
        if lines.pop() != b"":
            fault(name, "a line without an end")
        for at, line in enumerate(lines, start=1):
            place = f"{os.path.basename(name)}:{at}"
            fields = json.loads(line)
            if at == 1:
                if fields != {
                    "type": "rotate", "format": 1, "service": fields["service"],
                    "file": number, "sequence": sequence, "previous": previous,
                }:
                    fault(place, "bad header")
            elif fields.get("type") == "checkpoint":
                if seen.get(fields["sequence"]) != fields["head"]:
                    fault(place, "the checkpoint is about another log")
                message = b"keyhsm audit checkpoint v1\n" + without(line, "signature")
                verify_signature(key, message, base64.b64decode(fields["signature"], validate=True))
                checkpoints += 1
            else:
                if fields["sequence"] != sequence + 1 or fields["previous"] != previous:
                    fault(place, "does not follow the entry before")
                if hashlib.sha256(without(line, "hash")).hexdigest() != fields["hash"]:
                    fault(place, "changed")
                sequence, previous = fields["sequence"], fields["hash"]
                seen[sequence] = previous
    print(f"{sequence} entries, {checkpoints} checkpoints, {previous}")


main(sys.argv[1], sys.argv[2])

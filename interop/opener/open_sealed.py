#!/usr/bin/env python3
"""Opens sealed deposits with nothing of this project's code: written from docs/formats/sealed-deposit.md alone.

usage: open_sealed.py VECTORS.json    checks every vector and prints "N of N agree"
"""
import hashlib
import json
import sys
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Refused(Exception):
    """The bytes are not a sealed deposit of version 1, or do not belong here."""


class Reader:
    def __init__(self, data):
        self.data, self.offset = data, 0

    def take(self, count):
        if self.offset + count > len(self.data):
            raise Refused("cut short")
        self.offset += count
        return self.data[self.offset - count:self.offset]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")


def name(raw, limit):
    alnum = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    if not 1 <= len(raw) <= limit or raw[0] not in alnum or any(b not in alnum + b"._-" for b in raw):
        raise Refused("name")


def read_header(reader):
    if reader.take(4) != b"KHSD" or reader.number(1) != 1 or reader.number(1) != 1:
        raise Refused("magic, version or content algorithm")
    reader.number(1)
    if reader.number(1) not in (1, 2, 3) or reader.number(1) not in (1, 2, 3, 4):
        raise Refused("scope or kind")
    name(reader.take(reader.number(1)), 64)
    reader.take(16 + 16 + 16 + 32)
    name(reader.take(reader.number(1)), 64)
    required, count = reader.number(1), reader.number(1)
    keys = [reader.take(32) for _ in range(count)]
    if count > 32 or required > count or (required == 0) != (count == 0) or keys != sorted(set(keys)):
        raise Refused("trustees")
    length = reader.number(2)
    if not 1 <= length <= 1024:
        raise Refused("wrapped key")
    reader.take(length)
    return reader.take(12)


def context_bytes(context):
    handle = context["handle"].encode("ascii")
    return (b"KHCX\x01" + uuid.UUID(context["organisation"]).bytes + uuid.UUID(context["deposit"]).bytes
            + bytes([len(handle)]) + handle + context["revision"].to_bytes(4, "big"))


def open_sealed(sealed, context, content_key, auth_secret):
    reader = Reader(sealed)
    nonce = read_header(reader)
    header = sealed[:reader.offset]
    encrypted = reader.take(reader.number(4))
    tag = reader.take(16)
    if reader.offset != len(sealed):
        raise Refused("trailing bytes")
    bound = header + context_bytes(context)
    info = b"keyhsm content key v1" + hashlib.sha256(bound).digest()
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(content_key + auth_secret)
    try:
        return AESGCM(key).decrypt(nonce, encrypted + tag, bound)
    except InvalidTag as error:
        raise Refused("tag") from error


def agrees(vector):
    try:
        content = open_sealed(bytes.fromhex(vector["sealed"]), vector["context"],
                              bytes.fromhex(vector["contentKey"]), bytes.fromhex(vector["authSecret"]))
    except Refused:
        return "refused" in vector
    return content.hex() == vector.get("content")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    results = [(vector["name"], agrees(vector)) for vector in vectors]
    for title, good in results:
        if not good:
            print("differs:", title)
    print(f"{sum(good for _, good in results)} of {len(results)} agree")
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())

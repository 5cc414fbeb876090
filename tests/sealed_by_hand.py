"""The bytes of SIMP/2, put together by hand: the oracle for what the project puts together (spec/simp2.md).

Nothing of the project is used, so that both can be wrong only in different ways. Values are plain ones, by the names of
`spec/sealed.toml`, and bytes where that has hexadecimal.
"""

import hmac
import struct
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import scrypt, sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KINDS = {"CHALLENGE": 0x80, "RINGING": 0x81, "ANSWER": 0x82, "CONFIRM": 0x83, "OVER": 0x84, "RECORD": 0x88}
FRAMES = {"HELLO": 1, "STATE": 2, "PIECE": 3, "ACKED": 4, "PING": 5, "CLOSE": 6, "CLOSED": 7}
OPERATION_BYTES = {
    "ERR": (1, 1),
    "SYN": (1, 2),
    "ACK": (1, 4),
    "SYN+ACK": (1, 6),
    "FIN": (1, 8),
    "ERR+FIN": (1, 9),
    "FIN+ACK": (1, 12),
    "MESSAGE": (2, 1),
}
"""Type and operation, by their names."""


def base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def checksum_by_hand(data: bytes) -> bytes:
    """RFC 1071, word by word."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])) + (data[-1] << 8) * (len(data) % 2)
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return struct.pack(">H", total ^ 0xFFFF)


def datagram_by_hand(operation: str, payload: bytes, sequence: int = 0, user: bytes = b"") -> bytes:
    """A datagram in `header`."""
    head = struct.pack(">BBB32sI", *OPERATION_BYTES[operation], sequence, user, len(payload))
    return head + checksum_by_hand(head + b"\0\0" + payload) + payload


def offer_by_hand(key: bytes, proof: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return b"SIMP/1 header utf-8" + before + b" SIMP/2 " + base64url(key) + after + b" @" + base64url(proof)


def payload_by_hand(kind: str, fields: dict[str, Any]) -> bytes:
    rest: list[bytes]
    if kind == "RECORD":
        rest = [fields["session"], struct.pack(">Q", fields["counter"]), fields["sealed"]]
    else:
        rest = [fields["tag"], fields.get("cookie", b""), fields.get("message", b"")]
    return bytes((KINDS[kind],)) + b"".join(rest)


def frame_by_hand(name: str, fields: dict[str, Any]) -> bytes:
    body: bytes
    match name:
        case "HELLO":
            body = struct.pack(">I32s", fields["features"], fields["signing_key"]) + fields["name"]
        case "STATE":
            body = struct.pack(">Q8sQ8s", *(fields[each] for each in ("first", "before", "next", "upto")))
        case "PIECE":
            body = struct.pack(">QB", fields["number"], fields["flags"]) + fields["data"]
        case "ACKED":
            body = struct.pack(">QQQ", fields["next"], fields["echo"], fields["bitmap"])
        case "CLOSE":
            body = struct.pack(">B", fields["reason"]) + fields["text"]
        case "PING" | "CLOSED":
            body = b""
        case "UNKNOWN":
            body = fields["body"]
        case _:
            raise KeyError(name)
    return struct.pack(">BH", fields["type"] if name == "UNKNOWN" else FRAMES[name], len(body)) + body


def message_by_hand(kind: int, time: int, body: bytes) -> bytes:
    return struct.pack(">BQ", kind, time) + body


def operation_by_hand(frames: list[tuple[str, dict[str, Any]]]) -> str:
    """In the words of simp2 6.2."""
    if any(name == "CLOSE" and fields["reason"] != 0 for name, fields in frames):
        return "ERR"
    if any(name == "CLOSE" for name, _ in frames):
        return "FIN"
    if any(name in ("STATE", "PIECE", "PING", "UNKNOWN") for name, _ in frames):
        return "MESSAGE"
    return "ACK"


def record_by_hand(
    key: bytes, session: bytes, counter: int, plain: bytes, operation: str
) -> tuple[bytes, bytes, bytes]:
    """The nonce, the associated data, and the datagram (simp2 6.3)."""
    type_, number = OPERATION_BYTES[operation]
    payload = struct.pack(">B4sQ", 0x88, session, counter)
    associated = struct.pack(">BBB32sI", type_, number, 0, b"", len(payload) + len(plain) + 16) + payload
    nonce = bytes(4) + struct.pack("<Q", counter)
    sealed_frames = ChaCha20Poly1305(key).encrypt(nonce, plain, associated)
    return nonce, associated, datagram_by_hand(operation, payload + sealed_frames)


def words_by_hand(x25519: bytes, ed25519: bytes) -> list[int]:
    """The numbers of a person's words (simp2 5.6)."""
    key = scrypt(x25519 + ed25519, salt=b"SIMP/2 words", n=32768, r=8, p=1, dklen=32, maxmem=2**26)
    bits = "".join(f"{byte:08b}" for byte in key)
    return [int(bits[at : at + 11], 2) for at in range(0, 66, 11)]


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), sha256).digest()


MADE: dict[str, Callable[..., bytes]] = {
    "tag": lambda e: sha256(b"SIMP/2 call" + e).digest()[:8],
    "prologue": lambda user, offer: b"SIMP/2" + user.ljust(32, b"\0") + struct.pack(">H", len(offer)) + offer,
    "ring_key": lambda shared, caller, callee: mac(mac(b"SIMP/2 ring", shared), caller, callee, b"\1"),
    "ring_proof": lambda ring_key, user, offer, cookie: mac(ring_key, user.ljust(32, b"\0"), offer, cookie)[:16],
    "session": lambda handshake_hash: sha256(b"SIMP/2 session" + handshake_hash).digest()[:4],
    "chain": lambda before, flags, data: sha256(before + flags + data).digest()[:8],
    "id": lambda x25519, ed25519: b32encode(sha256(b"SIMP/2 id" + x25519 + ed25519).digest()).rstrip(b"=").lower(),
}
"""What is made from what is on the wire, by its name in the golden file."""


def x25519_by_hand(private: bytes, public: bytes) -> bytes:
    """Montgomery's ladder, as RFC 7748 has it."""
    prime = 2**255 - 19
    scalar = int.from_bytes(bytes((private[0] & 248, *private[1:31], private[31] & 127 | 64)), "little")
    x1 = int.from_bytes(public, "little") % 2**255
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in reversed(range(255)):
        if swap := scalar >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, e = d * a, c * b, a * a - b * b
        x3, z3 = (da + cb) ** 2 % prime, x1 * (da - cb) ** 2 % prime
        x2, z2 = a * a * b * b % prime, e * (a * a + 121665 * e) % prime
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, prime - 2, prime) % prime).to_bytes(32, "little")


BASE_POINT = (9).to_bytes(32, "little")


def noise_by_hand(prologue: bytes, private: dict[str, bytes], frames_2: bytes, frames_3: bytes) -> dict[str, bytes]:
    """Noise's XX, step by step, with an empty message 1: messages 2 and 3, and the keys (simp2 5.1 to 5.4)."""
    public = {name: x25519_by_hand(key, BASE_POINT) for name, key in private.items()}
    chaining = hashed = b"Noise_XX_25519_ChaChaPoly_SHA256"
    made: dict[str, bytes] = {}

    def mix_hash(data: bytes) -> bytes:
        return sha256(hashed + data).digest()

    def expanded(material: bytes) -> tuple[bytes, bytes]:
        secret = mac(chaining, material)
        first = mac(secret, b"\1")
        return first, mac(secret, first, b"\2")

    def shared(one: str, other: str) -> bytes:
        return x25519_by_hand(private[one], public[other])

    hashed = mix_hash(prologue)
    hashed = mix_hash(public["caller ephemeral"])
    hashed = mix_hash(b"")
    hashed = mix_hash(public["callee ephemeral"])
    chaining, key = expanded(shared("caller ephemeral", "callee ephemeral"))
    static_2 = ChaCha20Poly1305(key).encrypt(bytes(12), public["callee static"], hashed)
    hashed = mix_hash(static_2)
    chaining, made["key_2"] = expanded(shared("caller ephemeral", "callee static"))
    sealed_2 = ChaCha20Poly1305(made["key_2"]).encrypt(bytes(12), frames_2, hashed)
    hashed = mix_hash(sealed_2)
    made["message_2"] = public["callee ephemeral"] + static_2 + sealed_2
    static_3 = ChaCha20Poly1305(made["key_2"]).encrypt(bytes(4) + struct.pack("<Q", 1), public["caller static"], hashed)
    hashed = mix_hash(static_3)
    chaining, made["key_3"] = expanded(shared("caller static", "callee ephemeral"))
    sealed_3 = ChaCha20Poly1305(made["key_3"]).encrypt(bytes(12), frames_3, hashed)
    made["handshake_hash"] = mix_hash(sealed_3)
    made["message_3"] = static_3 + sealed_3
    made["caller_key"], made["callee_key"] = expanded(b"")
    return made

"""Noise, beside published vectors and a second implementation; and that what is forged leaves no trace."""

import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given
from hypothesis import strategies as st
from noise.connection import Keypair, NoiseConnection

from simp_proto.errors import LowOrderError, NoiseError, SimpError
from simp_proto.noise import HandshakeState, KeyPair, hkdf, nonce

VECTORS = tomllib.loads((Path(__file__).parent / "noise.toml").read_text("utf-8"))["vector"]
GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "sealed.toml").read_text("utf-8"))
PROLOGUE = b"SIMP/2"
STATIC = {True: KeyPair(b"A" * 32), False: KeyPair(b"B" * 32)}
EPHEMERAL = {True: KeyPair(b"a" * 32), False: KeyPair(b"b" * 32)}
"""By whether they are the initiator's."""
PAYLOADS = (b"", b"HELLO, this is bob", b"HELLO, this is alice; STATE")
SHORTEST = (32, 96, 64)
"""The sizes of messages without payload, as section 3 counts them."""
PRIME = 2**255 - 19
OF_ORDER_8 = (  # cr.yp.to/ecdh.html#validate
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
LOW_ORDER = [number.to_bytes(32, "little") for number in (0, 1, PRIME - 1, PRIME, PRIME + 1, *OF_ORDER_8)]
LOW_ORDER += [key[:31] + bytes([key[31] | 0x80]) for key in LOW_ORDER]  # the highest bit is ignored: RFC 7748, 5

numbers = st.integers(1, 3)
keys = st.binary(min_size=32, max_size=32)
payloads = st.binary(max_size=100)


def end(*, initiator: bool, prologue: bytes = PROLOGUE) -> HandshakeState:
    return HandshakeState(initiator=initiator, prologue=prologue, s=STATIC[initiator], e=EPHEMERAL[initiator])


def before(number: int) -> tuple[HandshakeState, HandshakeState]:
    """Who writes that message and who reads it, with all messages before it behind them."""
    writer, reader = end(initiator=True), end(initiator=False)
    for payload in PAYLOADS[: number - 1]:
        reader.read_message(writer.write_message(payload))
        writer, reader = reader, writer
    return writer, reader


def finish(writer: HandshakeState, reader: HandshakeState, number: int) -> None:
    """Whoever has read that message goes on with its writer, and both come to the same end."""
    for payload in PAYLOADS[number:]:
        writer, reader = reader, writer
        assert reader.read_message(writer.write_message(payload)) == payload
    assert writer.split() == reader.split()
    assert {writer.remote_static, reader.remote_static} == {key.public for key in STATIC.values()}


def messages() -> list[bytes]:
    return [before(number)[0].write_message(PAYLOADS[number - 1]) for number in (1, 2, 3)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    key = {name: KeyPair(bytes.fromhex(vector[name])) for name in vector if name.startswith(("init_", "resp_"))}
    prologue = bytes.fromhex(vector["prologue"])
    initiator = HandshakeState(initiator=True, prologue=prologue, s=key["init_static"], e=key["init_ephemeral"])
    responder = HandshakeState(initiator=False, prologue=prologue, s=key["resp_static"], e=key["resp_ephemeral"])
    pairs = [(bytes.fromhex(each["payload"]), bytes.fromhex(each["ciphertext"])) for each in vector["message"]]

    writer, reader = initiator, responder
    for payload, ciphertext in pairs[:3]:
        assert writer.write_message(payload) == ciphertext
        assert reader.read_message(ciphertext) == payload
        writer, reader = reader, writer
    assert initiator.remote_static == key["resp_static"].public
    assert responder.remote_static == key["init_static"].public
    assert initiator.split() == responder.split()

    to_responder, to_initiator, handshake_hash = initiator.split()
    assert handshake_hash.hex() == vector.get("handshake_hash", handshake_hash.hex())
    for at, (payload, ciphertext) in enumerate(pairs[3:]):
        cipher = ChaCha20Poly1305(to_responder if at % 2 else to_initiator)
        assert cipher.encrypt(nonce(at // 2), payload, b"") == ciphertext
        assert cipher.decrypt(nonce(at // 2), ciphertext, b"") == payload


def test_the_vectors_are_there() -> None:
    assert [(vector["name"], len(vector["message"])) for vector in VECTORS] == [("cacophony", 6), ("snow", 5)]
    assert "handshake_hash" in VECTORS[0]


@pytest.mark.filterwarnings("ignore:One of ephemeral keypairs is already set")  # so that a failure can be repeated
@given(
    st.booleans(), st.tuples(keys, keys, keys, keys), st.binary(max_size=300), st.tuples(payloads, payloads, payloads)
)
def test_a_second_implementation_agrees(
    initiates: bool, private: tuple[bytes, bytes, bytes, bytes], prologue: bytes, said: tuple[bytes, bytes, bytes]
) -> None:
    ours = HandshakeState(initiator=initiates, prologue=prologue, s=KeyPair(private[0]), e=KeyPair(private[1]))
    theirs = NoiseConnection.from_name(b"Noise_XX_25519_ChaChaPoly_SHA256")
    (theirs.set_as_responder if initiates else theirs.set_as_initiator)()
    theirs.set_prologue(prologue)
    theirs.set_keypair_from_private_bytes(Keypair.STATIC, private[2])
    theirs.set_keypair_from_private_bytes(Keypair.EPHEMERAL, private[3])
    theirs.start_handshake()
    for at, payload in enumerate(said):
        if initiates == (at % 2 == 0):
            assert theirs.read_message(ours.write_message(payload)) == payload
        else:
            assert ours.read_message(bytes(theirs.write_message(payload))) == payload
    *transport, handshake_hash = ours.split()
    assert handshake_hash == theirs.get_handshake_hash()
    assert ours.remote_static == KeyPair(private[2]).public
    sends, receives = map(ChaCha20Poly1305, transport if initiates else reversed(transport))
    for n, payload in enumerate(said):
        assert theirs.decrypt(sends.encrypt(nonce(n), payload, b"")) == payload
        assert receives.decrypt(nonce(n), theirs.encrypt(payload), b"") == payload


@pytest.mark.parametrize("number", [2, 3])
def test_each_changed_bit_is_refused_and_leaves_no_trace(number: int) -> None:
    writer, reader = before(number)
    message = writer.write_message(PAYLOADS[number - 1])
    assert len(message) == SHORTEST[number - 1] + len(PAYLOADS[number - 1])
    for bit in range(len(message) * 8):
        changed = (int.from_bytes(message, "little") ^ 1 << bit).to_bytes(len(message), "little")
        with pytest.raises(NoiseError):
            reader.read_message(changed)
        with pytest.raises(RuntimeError):
            _ = reader.remote_static
    assert reader.read_message(message) == PAYLOADS[number - 1]
    finish(writer, reader, number)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_beginning_is_refused_and_leaves_no_trace(number: int) -> None:
    writer, reader = before(number)
    message = writer.write_message(PAYLOADS[number - 1])
    for size in range(len(message)):
        expected = f"read {size} bytes, expected {SHORTEST[number - 1]} to 65535"
        with pytest.raises(NoiseError, match=expected if size < SHORTEST[number - 1] else "not authentic"):
            reader.read_message(message[:size])
    assert reader.read_message(message) == PAYLOADS[number - 1]
    finish(writer, reader, number)


TRUE = messages()
PARTS = [
    message[at:to] for message in TRUE for at, to in ((0, None), (0, 32), (32, 80), (0, 48), (80, None), (48, None))
]
PARTS += [key.public for key in (*STATIC.values(), *EPHEMERAL.values())] + LOW_ORDER


@given(numbers, st.lists(st.sampled_from(PARTS) | st.binary(max_size=120), max_size=5).map(b"".join))
@example(1, b"")
@example(2, b"")
@example(3, b"")
@example(2, TRUE[0])
@example(2, EPHEMERAL[True].public + TRUE[1][32:])  # reflected
@example(2, TRUE[1] + b"\0")
@example(3, TRUE[1])
@example(2, bytes(65536))
@example(3, bytes(65536))
def test_any_bytes_are_read_or_refused(number: int, data: bytes) -> None:
    """Message 1 alone may be anybody's: it has no more than a key, which is all that a forger needs."""
    writer, reader = before(number)
    if data == TRUE[number - 1] or (number == 1 and 32 <= len(data) <= 65535):
        assert reader.read_message(data) == (data[32:] if number == 1 else PAYLOADS[number - 1])
        return
    with pytest.raises(NoiseError) as refused:
        reader.read_message(data)
    assert isinstance(refused.value, SimpError)
    assert str(refused.value)
    assert reader.read_message(writer.write_message(PAYLOADS[number - 1])) == PAYLOADS[number - 1]
    finish(writer, reader, number)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_another_prologue_is_refused(prologue: bytes, other: bytes) -> None:
    initiator, responder = end(initiator=True, prologue=prologue), end(initiator=False, prologue=other)
    responder.read_message(initiator.write_message())
    message = responder.write_message()
    if prologue == other:
        assert initiator.read_message(message) == b""
    else:
        with pytest.raises(NoiseError, match="not authentic"):
            initiator.read_message(message)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_call_out_of_turn_is_a_mistake_and_changes_nothing(number: int) -> None:
    writer, reader = before(number)
    roles = ("initiator", "responder") if number % 2 else ("responder", "initiator")
    with pytest.raises(RuntimeError, match=f"the {roles[0]} writes message {number} next"):
        writer.read_message(TRUE[number - 1])
    with pytest.raises(RuntimeError, match=f"the {roles[1]} reads message {number} next"):
        reader.write_message()
    for each in (writer, reader):
        with pytest.raises(RuntimeError, match=f"{number - 1} of 3 messages"):
            each.split()
    assert reader.read_message(writer.write_message(PAYLOADS[number - 1])) == PAYLOADS[number - 1]
    finish(writer, reader, number)


def test_nothing_comes_after_the_end() -> None:
    writer, reader = before(4)
    for each in (writer, reader):
        with pytest.raises(RuntimeError, match="all messages"):
            each.write_message()
        with pytest.raises(RuntimeError, match="all messages"):
            each.read_message(TRUE[2])
        assert len(each.split()) == 3


def test_the_wrong_role() -> None:
    """Two initiators, as when both call each other."""
    other = end(initiator=True)
    with pytest.raises(RuntimeError, match="the initiator writes message 1 next"):
        other.read_message(TRUE[0])
    other.write_message()
    with pytest.raises(NoiseError, match="read 32 bytes, expected 96 to 65535"):
        other.read_message(TRUE[0])
    assert other.read_message(TRUE[1]) == PAYLOADS[1]


def test_the_first_message_is_the_ephemeral_key() -> None:
    """So that it may be sent before there is a handshake."""
    responder, initiator = end(initiator=False), end(initiator=True)
    assert responder.read_message(EPHEMERAL[True].public) == b""
    assert initiator.write_message() == EPHEMERAL[True].public
    initiator.read_message(responder.write_message())
    finish(responder, initiator, 2)


@pytest.mark.parametrize("key", LOW_ORDER, ids=bytes.hex)
def test_keys_of_low_order_are_refused(key: bytes) -> None:
    with pytest.raises(LowOrderError, match=key.hex()):
        STATIC[True].dh(key)
    responder = end(initiator=False)
    responder.read_message(key)
    for _ in range(2):
        with pytest.raises(LowOrderError, match=key.hex()):
            responder.write_message()

    for place, number in (("e", 2), ("s", 2), ("s", 3)):  # a forger can seal what everybody can compute
        pair = KeyPair(b"f" * 32)
        pair.public = key
        initiates = number == 3
        pairs = {"s": STATIC[initiates], "e": EPHEMERAL[initiates], place: pair}
        forger = HandshakeState(initiator=initiates, prologue=PROLOGUE, **pairs)
        if initiates:
            forger.write_message()
        forger.read_message(TRUE[number - 2])
        writer, reader = before(number)
        with pytest.raises(LowOrderError, match=key.hex()):
            reader.read_message(forger.write_message())
        assert reader.read_message(writer.write_message(PAYLOADS[number - 1])) == PAYLOADS[number - 1]
        finish(writer, reader, number)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_have_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeyPair(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        STATIC[True].dh(bytes(size))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_messages_have_65535_bytes_at_most(number: int) -> None:
    writer, reader = before(number)
    longest = bytes(65535 - SHORTEST[number - 1])
    with pytest.raises(ValueError, match="65536 bytes, expected at most 65535"):
        writer.write_message(longest + b"\0")
    message = writer.write_message(longest)
    with pytest.raises(NoiseError, match="read 65536 bytes"):
        reader.read_message(message + b"\0")
    assert reader.read_message(message) == longest


def test_the_golden_handshake() -> None:
    """What `spec/sealed.toml` has, which is put together without this module."""
    key = {each["name"]: KeyPair(bytes.fromhex(each["private"])) for each in GOLDEN["key"]}
    (entry,) = GOLDEN["handshake"]
    value = {name: bytes.fromhex(entry[name]) for name in entry if name not in ("name", "section", "key_log")}
    caller, callee = (
        HandshakeState(
            initiator=who == "caller", prologue=value["prologue"], s=key[f"{who} static"], e=key[f"{who} ephemeral"]
        )
        for who in ("caller", "callee")
    )
    assert callee.read_message(caller.write_message()) == b""
    assert callee.write_message(value["frames_2"]) == value["message_2"]
    assert caller.read_message(value["message_2"]) == value["frames_2"]
    assert caller.write_message(value["frames_3"]) == value["message_3"]
    assert callee.read_message(value["message_3"]) == value["frames_3"]
    assert caller.payload_keys == callee.payload_keys == (value["key_2"], value["key_3"])
    assert (caller.remote_static, callee.remote_static) == (key["callee static"].public, key["caller static"].public)
    assert caller.split() == callee.split() == (value["caller_key"], value["callee_key"], value["handshake_hash"])


@given(st.integers(0, 2**64 - 1))
def test_nonces(n: int) -> None:
    assert nonce(n) == struct.pack("<IQ", 0, n)


@given(keys, st.binary(max_size=100))
def test_hkdf_is_that_of_rfc_5869(salt: bytes, material: bytes) -> None:
    assert b"".join(hkdf(salt, material)) == HKDF(SHA256(), 64, salt, b"").derive(material)


def test_hkdf_vector_of_rfc_5869() -> None:
    """Its appendix A.3, the one without info."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert b"".join(hkdf(b"", b"\x0b" * 22)).hex().startswith(expected)

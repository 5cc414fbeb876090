"""The numbers and words of SIMP/1, by the names that `spec/simp.md` gives them.

Times are in seconds, sizes in bytes.
"""

from enum import STRICT, Enum, IntEnum, IntFlag, unique
from typing import Final

# -- ports (spec 1)
DAEMON_PORT: Final = 7777
"""UDP, between daemons."""
CLIENT_PORT: Final = 7778
"""TCP, between a client and its own daemon."""

# -- discovery (discovery 1)
SERVICE: Final = "_simp._udp.local."
"""What a daemon announces itself as."""
MDNS_PORT: Final = 5353
"""UDP (RFC 6762)."""
IDENTITY: Final = "[a-z2-7]{8}"
"""The pattern of a daemon's identity: 40 bits in base32."""


# -- the datagram (spec 2)
@unique
class Type(IntEnum):
    """What a datagram is (spec 2.1)."""

    CONTROL = 0x01
    CHAT = 0x02

    __hash__ = int.__hash__  # an enumeration's own is slow

    @property
    def label(self) -> str:
        """`control` or `chat`."""
        return self.name.lower()


class Control(IntFlag, boundary=STRICT):
    """The operation of a control datagram (spec 2.2): bits, of which only these sums have a meaning."""

    ERR = 0x01
    SYN = 0x02
    ACK = 0x04
    FIN = 0x08
    SYN_ACK = SYN | ACK
    ERR_FIN = ERR | FIN
    FIN_ACK = FIN | ACK

    __hash__ = int.__hash__  # an enumeration's own is slow

    @property
    def label(self) -> str:
        """As people write it: `SYN+ACK`."""
        return (self.name or "").replace("_", "+")


@unique
class Chat(IntEnum):
    """The operation of a chat datagram (spec 2.2): there is one."""

    MESSAGE = 0x01

    @property
    def label(self) -> str:
        """`MESSAGE`."""
        return self.name


Operation = Control | Chat

OPERATIONS: Final[dict[Type, dict[int, Operation]]] = {
    Type.CONTROL: {operation.value: operation for operation in sorted(Control.__members__.values())},
    Type.CHAT: {operation.value: operation for operation in Chat},
}
"""Every operation that may be on the wire, by type and value (spec 2.2)."""


@unique
class Framing(Enum):
    """Where the checksum is (spec 2.6)."""

    HEADER = "header"
    TRAILER = "trailer"
    BARE = "bare"

    __hash__ = object.__hash__  # an enumeration's own is slow


USER_SIZE: Final = 32
MAX_DATAGRAM_SIZE: Final = 1200
"""The most bytes that a daemon sends in a datagram, so that no path fragments it (spec 2.7)."""
FOREIGN_PAYLOAD_SIZE: Final = 256
"""The longest payload sent to a foreign peer: the smallest buffer known (spec 9.4)."""

# -- the handshake (spec 4)
OFFER: Final = b"SIMP/1 header utf-8"
"""The payload of a SYN of ours: this daemon speaks `header`, and its text is UTF-8 (spec 4.2)."""
RINGING: Final = b"ringing"
"""The payload of the ACK that says that a call rings (spec 4.3)."""
PRESENCE_QUESTION: Final = b"present?"
PRESENCE_ANSWER: Final = b"present"
"""The payloads of the ACKs that ask and say whether a daemon is there (spec 4.12)."""
PRESENCE_TRIES: Final = 3
PRESENCE_INTERVAL: Final = 1.0
"""Questions, and the time between them, until one counts as gone that doesn't answer (discovery 3.3)."""
PRESENCE_SETTLED: Final = PRESENCE_TRIES * PRESENCE_INTERVAL + 0.5
"""Seconds after which all who were asked have answered, or count as gone."""
BUSY: Final = "User already in another chat"
"""The text of the ERR that answers a SYN while a chat is on (spec 4.6)."""
HANDSHAKE_SEQUENCE: Final = 0
FIRST_CHAT_SEQUENCE: Final = 1
"""Not the handshake's number, so that a repeated handshake ACK acknowledges no chat (spec 5.2)."""

# -- times and tries (spec 6)
RETRANSMISSION_INTERVAL: Final = 5.0
UNKNOWN_SYN_INTERVAL: Final = 30.0
"""Between SYNs to a peer that is not known as ours, or that rings (spec 4.4)."""
TRIES: Final = 12
FOREIGN_LEAVING_TRIES: Final = 3
"""A foreign peer may never acknowledge a FIN (spec 9.6)."""
REQUEST_LIFETIME: Final = 120.0
"""How long a request stays pending after its last SYN (spec 4.5)."""
SILENCE: Final = 120.0
"""After this long without a datagram of the partner's, it is asked for one (spec 6.5)."""
UNANSWERED_INTERVAL: Final = 30.0
"""After each of these the person is asked whether to keep waiting (spec 6.4)."""

# -- bounds (spec 8)
PENDING_REQUESTS: Final = 16
LEAVING_SESSIONS: Final = 16
KNOWN_PEERS: Final = 1024
RESERVED_REQUESTS: Final = 4
"""Of the pending requests, for peers that one has chatted with (spec 8.3)."""
REQUESTS_OF_A_SOURCE: Final = 2
"""Pending requests from one address, or one /64 (spec 8.3)."""
STRANGER_RATE: Final = 44
STRANGER_BURST: Final = 16
"""Answers to strangers per second, and in a burst (spec 8.2)."""
FRIEND_RATE: Final = 20
FRIEND_BURST: Final = 20
"""The same for those that one has chatted with; all together 100 in any second (spec 8.2)."""
SOURCE_RATE: Final = 20
SOURCE_BURST: Final = 20
"""The same for one address, or one /64: 40 in any second (spec 8.2)."""
ERROR_SIZE: Final = 500
"""Characters of a peer's ERR that a person is shown (spec 8.3)."""
AMPLIFICATION: Final = 3
"""No answer to a stranger is larger than this many times what it sent (spec 8.2)."""


# -- SIMP/2 (simp2.md)
@unique
class PayloadKind(IntEnum):
    """The first byte of a payload of SIMP/2 (simp2 3.1): none can begin UTF-8."""

    CHALLENGE = 0x80
    RINGING = 0x81
    ANSWER = 0x82
    CONFIRM = 0x83
    OVER = 0x84
    RECORD = 0x88

    __hash__ = int.__hash__


@unique
class FrameType(IntEnum):
    """What a frame is (simp2 6.5)."""

    PAD = 0x00
    HELLO = 0x01
    STATE = 0x02
    PIECE = 0x03
    ACKED = 0x04
    PING = 0x05
    CLOSE = 0x06
    CLOSED = 0x07

    __hash__ = int.__hash__


@unique
class CloseReason(IntEnum):
    """Why a conversation is closed (simp2 7.9). A peer may know others."""

    LEFT = 0
    FAULT = 1
    UNKNOWN_FRAME = 2
    TOO_LONG = 3


KEY_SIZE: Final = 32
"""Bytes of a key of Curve25519, public or private (simp2 1.2)."""
TAG_SIZE: Final = 8
"""Bytes of a call's tag (simp2 2.4)."""
GONE: Final = 10.0
"""Seconds without a record, while one is owed, after which the peer is called quietly (simp2 7.7)."""
MAX_OFFER_SIZE: Final = 256
"""Bytes of a SYN's payload at most (simp2 2.1)."""
PIECE_SIZE: Final = 1024
"""Bytes of every piece of a message but the last (simp2 7.2)."""
MAX_NEXT: Final = 1 << 62
"""The highest number under which a piece is awaited; those of pieces are below it (simp2 7.2)."""
LOSSY_SIZE: Final = 1100
"""Bytes of the body of a frame that may be lost, at most (simp2 6.5)."""
PADDING: Final = 64
"""The frames of a record are padded to a multiple of this (simp2 6.6)."""
REPLAY_WINDOW: Final = 1024
"""Records below the highest that are still read (simp2 6.4)."""

# -- the client's text protocol (client.md)
MAX_MESSAGE_SIZE: Final = 60_000
"""UTF-8 bytes of one message of a client (client 3)."""
MAX_LINE_SIZE: Final = 65_536
"""Bytes without a newline after which a client's connection is closed (client 2)."""
MAX_DAEMON_LINE_SIZE: Final = 8 * MAX_LINE_SIZE
"""The same for a daemon's lines: what a peer says in one datagram may be all escapes (client 2)."""

"""A person's dialogue with a daemon that says anything."""

import unicodedata

from simp_client import view
from simp_client.attachment import MOST_REQUESTS, Phase
from simp_client.dialogue import Dialogue
from simp_client.prompt import Ask
from simp_proto.constants import MAX_LINE_SIZE
from simp_proto.errors import LineError
from simp_proto.text import Word, format_line, parse_line
from tests.fuzz.target import Choices, Target

PEERS = ["bob", "127.0.0.2:7777", "carol", "127.0.0.3:7777", "", "q", "\x1b[2J", "\u202ebob", "7"]
TYPED = ["1", "2", "y", "n", "q", "?", "", "alice", "127.0.0.2", "127.0.0.3", "hello", "\\q", "\x1b]0;x\x07"]
SAID = {Word.PING, Word.CONNECT, Word.WHO, Word.CONNECTING, Word.CONNECTED, Word.CHAT, Word.QUIT}
"""All that a client says (client 4.1)."""


class Driver:
    """All that this target knows of the client's inside."""

    def __init__(self, choices: Choices) -> None:
        beforehand = choices.number()
        user, call = "alice" if beforehand & 1 else None, "127.0.0.2" if beforehand & 2 else None
        self._dialogue = Dialogue(user, call, piped=bool(beforehand & 4), commands=bool(beforehand & 8))
        self._ask = self._dialogue.ask

    def hear(self, data: bytes) -> None:
        """A line of the daemon."""
        self._dialogue.receive_line(parse_line(data))

    def look(self) -> None:
        """The person begins to type."""
        self._ask = self._dialogue.ask

    def type(self, text: str) -> None:
        """They press Enter."""
        self._dialogue.type_line(text, self._ask)

    def end_input(self) -> None:
        self._dialogue.end_input()

    def interrupt(self) -> None:
        self._dialogue.interrupt()

    def lose(self) -> None:
        self._dialogue.lose()

    def said(self) -> list[bytes]:
        """The lines to the daemon since the last time."""
        return [format_line(line) for line in self._dialogue.lines_to_send()]

    def shown(self) -> str:
        """All that is new on the person's screen."""
        texts = self._dialogue.texts_to_show()
        plain = [text.words if isinstance(text, Ask) else view.plain(text) for text in texts]
        plain = [each.replace(f"\n{view.MORE}", "") for each in plain]
        return "".join([*plain, self._dialogue.ask.label, self._dialogue.bar(80)])

    def kept(self) -> tuple[int, int, int]:
        """How many requests, messages whose fate is unknown, and messages in all."""
        attachment = self._dialogue.attachment
        return len(attachment.requests), len(attachment.outstanding), attachment.said

    @property
    def ended(self) -> bool:
        return self._dialogue.state is Phase.OVER


def _try(data: bytes) -> None:
    choices = Choices(data)
    driver = Driver(choices)
    typed = 0
    while choices.left:
        match choices.number(8):
            case 0 | 1:
                driver.type(choices.one_of(TYPED))
                typed += 1
            case 2:
                driver.type(choices.blob(64).decode("utf-8", "surrogateescape"))
                typed += 1
            case 3 if choices.number() > 250:
                driver.end_input()
            case 4:
                driver.look()
            case _:
                _hear(driver, choices)
        _check(driver, typed)
    driver.interrupt()
    _check(driver, typed)
    driver.lose()
    _check(driver, typed)
    assert driver.ended
    assert not driver.said()


def _hear(driver: Driver, choices: Choices) -> None:
    form = choices.number(8)
    fields = [choices.one_of(PEERS) for _ in range(form % 4 + 1)]
    if form == 7:
        line = choices.blob(64).replace(b"\n", b"")
    elif form == 6:
        line = format_line(parse_line(f"{choices.one_of(list(Word))}|{choices.number(40)}".encode()))
    else:
        line = f"{choices.one_of(list(Word))}|{'|'.join(fields)}".encode()
    try:
        driver.hear(line.removesuffix(b"\n"))
    except LineError as error:
        assert str(error).isprintable(), str(error)


def _check(driver: Driver, typed: int) -> None:
    for line in driver.said():
        assert len(line) <= MAX_LINE_SIZE
        assert parse_line(line[:-1]).word in SAID
    shown = driver.shown()
    # Joiners stand in names and emoji of many scripts, and move nothing.
    categories = {unicodedata.category(character) for character in shown if character not in "\u200c\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}, repr(shown)
    requests, outstanding, said = driver.kept()
    assert requests <= MOST_REQUESTS
    assert outstanding <= said <= typed


TARGET = Target(
    "whatever a daemon says and a person types, nothing raises, the client says only lines of its protocol, nothing"
    " shown moves the cursor, 32 requests and a fate for each message typed are kept at most, and Ctrl-C and the"
    " daemon's end are the end",
    _try,
    [
        bytes((1, *b"\x04\x00\x03\x03", 4, 6, 1, 1, 0, 0, 0, 8, 4, 1, 5, 0, 1, 0, 10, 4, 6, 7, 1, 0, 4)),
        bytes((7, *range(200))),
        bytes((0, 0, 7, 4, 0, 3, 4, 0, 1, 4, 1, 4, 0, 1, 0, 2, 4, 1, 3, 0, 1, 0, 10)),
        bytes((3, *b"\x05\x01\x03\x00\x01" * 30)),
    ],
)

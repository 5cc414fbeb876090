"""The lines of the client protocol (client.md 2 and 3)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import MAX_LINE_SIZE
from simp_proto.errors import LineError, NotSimpError
from simp_proto.text import Line, LineBuffer, Word, check_user, escape, format_line, parse_line, unescape

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
operations = st.sampled_from(Word)


@given(operations, texts)
def test_a_line_comes_out_as_it_went_in(operation: Word, payload: str) -> None:
    data = format_line(Line(operation, payload))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert parse_line(data[:-1]) == Line(operation, payload)
    assert parse_line(data[:-1] + b"\r") == Line(operation, payload)


@given(texts)
def test_no_control_character_travels_bare(text: str) -> None:
    assert all(unicodedata.category(character) != "Cc" for character in escape(text))
    assert unescape(escape(text)) == text


@given(st.binary(max_size=80))
def test_any_bytes_are_a_line_or_an_error(data: bytes) -> None:
    try:
        line = parse_line(data)
    except LineError as error:
        read = str(error)
    else:
        read = line.payload
        assert data.startswith(line.word.encode() + b"|")
    assert isinstance(read, str)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b"CHAT|a|b|c", "a|b|c"),
        (b"CHAT|", ""),
        (b"CHAT||", "|"),
        (b"CHAT|one\\ntwo", "one\ntwo"),
        (b"CHAT|C:\\dir", "C:\\dir"),
        (b"CHAT|C:\\\\new", "C:\\new"),
        (b"CHAT|\\x1b[31m", "\x1b[31m"),
        (b"CHAT|\\x1", "\\x1"),
        (b"CHAT|\\", "\\"),
        ("CHAT|grüße 🙂".encode(), "grüße 🙂"),
        (b"CHAT| blanks stay ", " blanks stay "),
    ],
)
def test_payloads(data: bytes, payload: str) -> None:
    assert parse_line(data) == Line(Word.CHAT, payload)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"GET / HTTP/1.1", NotSimpError, "expected OPERATION|PAYLOAD"),
        (b"", NotSimpError, "read ''"),
        (b"ping|", NotSimpError, "read 'ping|'"),
        (b"\x1b[2J|", NotSimpError, r"\\x1b"),
        (b"PING", LineError, "expected PING| and its payload"),
        (b"CHAT|caf\xe9", LineError, "read the byte 0xe9 at 8, expected UTF-8"),
    ],
)
def test_refused_lines_say_what_was_read_and_expected(data: bytes, kind: type[LineError], words: str) -> None:
    with pytest.raises(LineError) as refused:
        parse_line(data)
    assert type(refused.value) is kind
    assert words in str(refused.value)


def test_fields() -> None:
    assert Line(Word.CHAT, "bob|a|b").fields(2) == ["bob", "a|b"]
    assert Line(Word.CONNECTED, "bob|127.0.0.2:7777").fields(2) == ["bob", "127.0.0.2:7777"]
    assert Line(Word.QUIT, "").fields(2) == ["", ""]


@given(st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_cut_wherever_the_stream_is(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    buffer, found = LineBuffer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer.feed(stream[:size])
        stream = stream[size:]
        while (line := buffer.next_line()) is not None:
            found.append(line)
    assert found == lines


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_64_kib_are_the_longest_line(newline: bytes) -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * MAX_LINE_SIZE)
    assert buffer.next_line() is None
    buffer.feed(b"x" + newline)
    with pytest.raises(LineError, match="65536 bytes without a newline"):
        buffer.next_line()


@pytest.mark.parametrize("name", ["a", "alice", "a b", "~" * 32, "O'Brien (lab 3)"])
def test_names(name: str) -> None:
    assert check_user(name) == name


@pytest.mark.parametrize("name", ["", "x" * 33, "a|b", "jörg", "a\nb", "a\x7f", " alice", "alice "])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(LineError, match="expected"):
        check_user(name)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Jürgen", "Juergen"),
        ("Ju\u0308rgen", "Juergen"),
        ("José Ñandú", "Jose Nandu"),
        ("Łukasz Žižek", "Lukasz Zizek"),
        ("O\u2019Brien", "O'Brien"),
        ("a|b", "ab"),
        ("bob\u200b", "bob"),
        ("\uff22\uff4f\uff42", "Bob"),
        ("ü" * 32, "ue" * 16),
    ],
)
def test_a_name_that_is_not_ascii_is_refused_with_one_that_is(name: str, instead: str) -> None:
    with pytest.raises(LineError, match=r"expected printable ASCII without \|, such as ") as caught:
        check_user(name)
    assert str(caught.value).endswith(f"such as {instead!r}")
    assert check_user(instead) == instead


@pytest.mark.parametrize("name", ["李明", "|", "\u200b", "Дима", "\x1b"])
def test_a_name_without_a_letter_of_ascii_is_refused_without(name: str) -> None:
    with pytest.raises(LineError, match=r"expected printable ASCII without \|$"):
        check_user(name)

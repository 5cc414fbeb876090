"""How people and programs write bytes."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import Chat, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.toolkit.literals import Found
from simp_proto.toolkit.notation import digits_of, found
from simp_proto.toolkit.sources import _is_whole
from tests.test_capture import ethernet, ipv4, pcap, udp


def message(text: bytes, framing: Framing = Framing.HEADER) -> bytes:
    return build(Datagram(Type.CHAT, Chat.MESSAGE, 1, b"alice", text, framing))


HELLO = message(b"hello")
WRONG = b"\x07" + HELLO[1:]
"""Nobody's datagram, which has to be shown as it is."""
LOOKS_HEXADECIMAL = message(b"abcd beef 0123 cafe 00 11 22 |x| >y<")
SAMPLES = [
    HELLO,
    WRONG,
    LOOKS_HEXADECIMAL,
    message(b"", Framing.BARE),
    message(b"", Framing.TRAILER),
    message(b"x" * 9),
]


def read(text: str | bytes) -> list[bytes]:
    """All that is found; nothing may be wrong."""
    lines = (text.encode() if isinstance(text, str) else text).splitlines()
    got = list(found(lines, _is_whole))
    assert [each.error for each in got] == [None] * len(got)
    return [each.data for each in got]


COMMANDS = [
    "xxd", "xxd -p", "xxd -i", "xxd -e", "xxd -u -g1", "xxd -c 20", "xxd -c 8", "xxd -g 4", "hexdump -C", "hexdump",
    "hexdump -x", "hexdump -b", "hexdump -v -C", "od -An -tx1", "od -An -v -tx1 -w12", "od -tx1", "od -Ax -tx1z",
    "od -Ad -tx1", "od -x", "od -b", "od -v", "od -tx4", "od -tx1 -w8", "od -An -x",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("data", SAMPLES, ids=["hello", "wrong", "as hexadecimal", "bare", "trailer", "more"])
def test_what_tools_print(command: str, data: bytes, tmp_path: Path) -> None:
    words = command.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"needs {words[0]}")
    (tmp_path / "message").write_bytes(data)
    shown = subprocess.run([*words, str(tmp_path / "message")], capture_output=True, check=True).stdout
    # What was written in words of another machine can only be told where it is right.
    if data is WRONG and command in ("xxd -e", "od -An -x"):
        return
    assert read(shown) == [data]
    if "An" not in command and command != "xxd -p":
        assert read(shown + shown) == [data, data]
        assert read(b"before:\n" + shown + b"\n" + shown) == [data, data]


def rows(data: bytes, *, size: int = 16, form: str = "{:04x}  ", group: int = 1, text: bool = True) -> str:
    shown = ""
    for start in range(0, len(data), size):
        part = data[start : start + size]
        groups = " ".join(part[at : at + group].hex() for at in range(0, len(part), group))
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        width = size * 2 + size // group
        shown += form.format(start) + (f"{groups:<{width}}  {plain}" if text else groups) + "\n"
    return shown


@given(
    st.binary(max_size=120),
    st.sampled_from([8, 16, 20, 32]),
    st.sampled_from(["{:04x}  ", "{:08x}: ", "\t0x{:04x}:  ", "{:07o} ", "{:08X}   "]),
    st.booleans(),
)
def test_rows_are_read_whatever_their_text_looks_like(payload: bytes, size: int, form: str, text: bool) -> None:
    data = message(payload)
    assert read(rows(data, size=size, form=form, text=text)) == [data]


@given(st.text("abcdef0123456789 ", max_size=90))
def test_text_beside_the_bytes_that_looks_like_more_of_them(payload: str) -> None:
    data = message(payload.encode())
    for group, form in ((1, "{:04x}  "), (2, "{:08x}: "), (2, "\t0x{:04x}:  ")):
        assert read(rows(data, group=group, form=form)) == [data]


def test_repeated_rows() -> None:
    data = message(bytes(100) + b"!")
    lines = rows(data, form="{:08x}  ").splitlines()
    squeezed = "\n".join([*lines[:4], "*", *lines[8:]])
    assert read(squeezed) == [data]


FRAME = ethernet(ipv4(udp(HELLO)))
TCPDUMP = "22:13:20.250000 IP (tos 0x0, ttl 64, flags [DF], proto UDP (17), length 74)\n"
TCPDUMP += "    192.0.2.1.7777 > 192.0.2.2.7777: UDP, length 46\n"


@pytest.mark.parametrize("text", [True, False])
def test_packets_of_tcpdump(text: bool) -> None:
    for packet in (FRAME, FRAME[14:]):
        one = TCPDUMP + rows(packet, form="\t0x{:04x}:  ", group=2, text=text)
        assert read(one + one) == [packet, packet]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
@pytest.mark.parametrize("options", [["-x"], ["-V", "-x"]])
def test_packets_of_tshark(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(FRAME, ethernet(ipv4(udp(LOOKS_HEXADECIMAL)))))
    command = ["tshark", "-r", str(tmp_path / "a.pcap"), *options]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    assert read(shown) == [FRAME, ethernet(ipv4(udp(LOOKS_HEXADECIMAL)))]


def listed(data: bytes, form: Callable[[int], str], width: int = 10) -> str:
    return ",\n".join("  " + ", ".join(map(form, data[at : at + width])) for at in range(0, len(data), width))


def escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def signed(byte: int) -> str:
    return str(byte - 256 if byte > 127 else byte)


LITERALS: dict[str, Callable[[bytes], str]] = {
    "C": lambda data: (
        f"/* the\n message */\nconst unsigned char m[{len(data)}] = {{\n{listed(data, '0x{:02X}'.format)}\n}};\n"
    ),
    "C, with comments": lambda data: f"m[] = {{ // all\n{listed(data[:9], hex)}, // head\n{listed(data[9:], hex)} }};",
    "C, a string": lambda data: f'char m[] = "{escaped(data[:20])}"\n  "{escaped(data[20:])}";\n',
    "C, characters": lambda data: (
        "{" + ", ".join(f"'{chr(byte)}'" if 97 <= byte < 123 else str(byte) for byte in data) + "}"
    ),
    "C#": lambda data: f"byte[] m = new byte[] {{ {listed(data, '0x{:02X}'.format)} }};",
    "C#, BitConverter": lambda data: data.hex("-").upper(),
    "Python": lambda data: f"import socket\n\ndata = {data!r}\n",
    "Python, bytearray": lambda data: repr(bytearray(data)),
    "Python, lines": lambda data: f"data = (\n    {data[:9]!r}  # head\n    {data[9:]!r}\n)\n",
    "Python, numbers": lambda data: f"print(bytes({list(data)}))",
    "Python, fromhex": lambda data: f"data = bytes.fromhex('{data.hex(' ')}')",
    "Go": lambda data: f"m := []byte{{\n{listed(data, '0x{:02x}'.format)},\n}}\n",
    "Go, printed": lambda data: f"[{' '.join(map(str, data))}]",
    "Go, a string": lambda data: f'm := []byte("{escaped(data)}")',
    "Rust": lambda data: f"let m: [u8; {len(data)}] = [{listed(data, '{}u8'.format)}];",
    "Rust, a string": lambda data: f'let m = b"{escaped(data)}";',
    "Rust, {:02x?}": lambda data: f"[{', '.join(map('{:02x}'.format, data))}]",
    "Rust, {:x?}": lambda data: f"[{', '.join(map('{:x}'.format, data))}]",
    "Rust, {:#04x?}": lambda data: "[\n" + "".join(f"    {byte:#04x},\n" for byte in data) + "]\n",
    "Java": lambda data: (
        "byte[] m = {" + ", ".join(f"(byte) {byte:#04x}" if byte > 127 else f"{byte:#04x}" for byte in data) + "};"
    ),
    "Java, printed": lambda data: f"[{', '.join(map(signed, data))}]",
    "Kotlin": lambda data: f"byteArrayOf({', '.join(map('{:#04x}.toByte()'.format, data))})",
    "JavaScript": lambda data: f"new Uint8Array([{','.join(map(str, data))}])",
    "Node": lambda data: f"<Buffer {data.hex(' ')}>",
    "Erlang": lambda data: f"<<{','.join(map(str, data))}>>",
    "Node, from": lambda data: f"const m = Buffer.from('{data.hex()}', 'hex')",
    "Perl": lambda data: 'my $m = "' + "".join(map("\\x{{{:02x}}}".format, data)) + '";',
    "Perl, pack": lambda data: f"my $m = pack('H*', '{data.hex()}');",
    "Erlang, 16#": lambda data: f"M = <<{','.join(map('16#{:02x}'.format, data))}>>.",
    "Nim": lambda data: "let m = [" + listed(data, "{:#04x}'u8".format) + "]",
    "Ada": lambda data: f"M : constant Bytes := ({listed(data, '16#{:02X}#'.format)});",
    "SQL": lambda data: f"INSERT INTO m VALUES ('\\x{data.hex()}');",
    "Lisp": lambda data: f"(vector {' '.join(map('#x{:02x}'.format, data))})",
    "Lisp, printed": lambda data: f"#({' '.join(map(str, data))})",
    "Verilog": lambda data: "{" + listed(data, "8'h{:02x}".format) + "}",
    "C++": lambda data: f"std::array m{{{listed(data, 'std::byte{{{:#04x}}}'.format)}}};",
    "Pascal": lambda data: f"const M: array of Byte = ({listed(data, '${:02X}'.format)});",
    "F#": lambda data: f"let m = [| {'; '.join(map('{:#04x}uy'.format, data))} |]",
    "Basic": lambda data: f"Dim m() As Byte = {{{', '.join(map('&H{:X}'.format, data))}}}",
    "a log": lambda data: f"12:00:01 received {data.hex()} from 192.0.2.1",
    "semicolons": lambda data: data.hex(";"),
    "0x, commas": lambda data: ", ".join(map("0x{:02x}".format, data)),
    "0x, commas, lines": lambda data: listed(data, "0x{:02x}".format),
    "0x, blanks": lambda data: " ".join(map("0x{:02x}".format, data)),
    "\\x": escaped,
    "colons": lambda data: data.hex(":"),
    "gdb": lambda data: "".join(
        f"0x{0x7FFE00 + at:x} <m+{at}>:\t" + "\t".join(map("0x{:02x}".format, data[at : at + 8])) + "\n"
        for at in range(0, len(data), 8)
    ),
    "PowerShell": lambda data: f"    {bytes(range(16)).hex(' ')}\n\n{rows(data, form='{:08X}   ')}",
}


@pytest.mark.parametrize("language", LITERALS)
def test_what_programs_have(language: str) -> None:
    for data in SAMPLES:
        assert read(LITERALS[language](data)) == [data]


@pytest.mark.parametrize("language", [name for name in LITERALS if name not in ("gdb", "PowerShell")])
def test_the_same_as_an_argument(language: str) -> None:
    for data in SAMPLES:
        assert digits_of(LITERALS[language](data)) == data.hex()


@given(st.binary(max_size=60))
def test_any_bytes_of_python(payload: bytes) -> None:
    data = message(payload)
    assert read(f"x = {data!r}") == read(repr(list(data))) == [data]


def test_lines_are_datagrams_and_short_ones_go_on() -> None:
    one, other, cut = HELLO.hex(), LOOKS_HEXADECIMAL.hex(), HELLO[:-1].hex()
    assert read(f"{one}\n{other}\n\n{one}") == [HELLO, LOOKS_HEXADECIMAL, HELLO]
    assert read(f"{cut}\n{one}\n{cut}\n{cut}\n{other}") == [
        HELLO[:-1],
        HELLO,
        HELLO[:-1],
        HELLO[:-1],
        LOOKS_HEXADECIMAL,
    ]
    assert read("0102\n03") == [b"\1\2\3"]
    assert read("0102\n\n03") == [b"\1\2", b"\3"]
    assert read(f"0102\n{one}") == [b"\1\2", HELLO]
    wide = "\n".join(LOOKS_HEXADECIMAL[at : at + 41].hex() for at in range(0, len(LOOKS_HEXADECIMAL), 41))
    assert read(wide) == [LOOKS_HEXADECIMAL]


@pytest.mark.parametrize("size", [1, 13, 20])
def test_a_checksum_may_be_in_rows_of_its_own(size: int) -> None:
    data = message(b"", Framing.TRAILER)
    shown = "\n".join(data[at : at + size].hex(" ") for at in range(0, len(data), size))
    assert read(shown) == [data]


def test_whole_lines_are_told_before_more_come() -> None:
    def lines() -> Iterable[bytes]:
        yield HELLO.hex().encode()
        raise AssertionError("asked for more")

    assert next(iter(found(lines(), _is_whole))) == Found(HELLO, 1)


def test_what_is_wrong_is_told() -> None:
    def errors(text: str) -> list[tuple[int, str]]:
        return [(each.line, str(each.error)) for each in found(text.encode().splitlines(), _is_whole) if each.error]

    assert errors("zz zz") == [
        (1, "hex at offset 0: read 'z' as digit 1 in line 1, expected hexadecimal digits, two a byte")
    ]
    assert [line for line, _ in errors(f"{HELLO.hex()}\n0102z\n012\n")] == [2, 3]
    assert [line for line, _ in errors("A letter to you;\nthere are no bytes in it (none).\n")] == [1]
    assert errors(f"A letter, and then:\n\n{rows(HELLO)}\nbest wishes, and [1, 2]\n") == []


def test_what_is_open_for_ever_swallows_no_dump() -> None:
    assert read(f"how sad :(\n/* never closed\n{rows(HELLO)}") == [HELLO]


@given(st.text(max_size=300))
def test_any_text_is_read_or_told(text: str) -> None:
    for each in found(io.BytesIO(text.encode("utf-8", "surrogatepass")), _is_whole):
        assert each.error is None or not each.data


@given(
    st.lists(
        st.sampled_from(
            ["0000 ", "00000010: ", "0102", "\n", "\n\n", "*", "{", "}", "[1,2,", "]", '"\\x01', '"', "'", "/*", "*/",
             "0000020\n", "|ab|", ">", "<<", "b'", "\\", ", ", "xyz ", "(byte)", "-1", HELLO.hex()]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_parts_in_any_order_are_read_or_told(parts: list[str]) -> None:
    list(found(io.BytesIO("".join(parts).encode()), _is_whole))

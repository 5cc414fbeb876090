"""Compressed files, read as what is in them."""

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.toolkit import compression
from simp_proto.toolkit.compression import Unreadable, decompressed
from tests.test_capture import HEAD, enhanced, ethernet, ipv4, pcap, udp
from tests.test_decode import CHAT, simp, written

FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
PACKET = ethernet(ipv4(udp(bytes.fromhex(CHAT))))
ZSTD = [*compression._ZSTD, "zstandard"]


def unpacked(data: bytes) -> bytes:
    stream = decompressed(data[:4], io.BytesIO(data[4:]))
    assert stream
    return stream.read()


@pytest.mark.parametrize("name", FORMATS)
def test_captures_and_text_that_are_compressed(name: str, tmp_path: Path) -> None:
    for content in (pcap(PACKET), HEAD + enhanced(PACKET), CHAT.encode(), bytes.fromhex(CHAT)):
        result = simp("decode", "--json", written(tmp_path / f"a.{name}", FORMATS[name](content)))
        assert (result.exit_code, result.output.count('"payload": "hello"')) == (0, 1)


@pytest.mark.parametrize("name", FORMATS)
@given(st.lists(st.binary(max_size=3000), max_size=3))
def test_what_is_read_is_what_was_compressed(name: str, parts: list[bytes]) -> None:
    """Several after one another are one, as their own tools have it."""
    parts = [b"start"] if name == "lzma" else [b"start", *parts]
    assert unpacked(b"".join(map(FORMATS[name], parts))) == b"".join(parts)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_cut_or_corrupt_is_told(name: str, tmp_path: Path) -> None:
    whole = FORMATS[name](pcap(*[PACKET] * 500))
    for data in (whole[:-9], whole[:40] + bytes(len(whole) - 40), whole[:5]):
        result = simp("decode", "--json", written(tmp_path / "a", data))
        assert result.exit_code == 1
        assert "data is cut or corrupt (" in result.stderr
    result = simp("decode", "-", stdin=FORMATS[name](FORMATS[name](CHAT.encode())))
    assert (result.exit_code, result.stderr) == (1, "Error: standard input: it is compressed more than once\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_memory_is_bounded(name: str) -> None:
    """However much a few bytes become."""
    bomb = FORMATS[name](bytes(30_000_000))
    stream = decompressed(bomb[:4], io.BytesIO(bomb[4:]))
    assert stream
    tracemalloc.start()
    size = 0
    while data := stream.read(10_000):
        size += len(data)
    assert size == 30_000_000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_xz_asks_for_no_more_memory_than_there_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file says how much it takes, up to 4 GiB."""
    monkeypatch.setattr(compression, "_MAX_MEMORY", 1024 * 1024)
    with pytest.raises(OSError, match=r"the xz data is cut or corrupt \(Memory usage limit"):
        unpacked(lzma.compress(b"x"))


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd")
@pytest.mark.parametrize("library", ZSTD)
def test_zstd_where_python_has_it(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        there = find_spec(library)
    except ModuleNotFoundError:
        there = None
    if there is None:
        pytest.skip(f"{library} isn't installed")
    monkeypatch.setattr(compression, "_ZSTD", (library,) if library != "zstandard" else ())
    packed = subprocess.run(["zstd", "-c"], input=pcap(PACKET), capture_output=True, check=True).stdout
    assert unpacked(packed + packed) == pcap(PACKET) * 2
    assert simp("decode", "-", stdin=packed).exit_code == 0
    for data in (packed[:-9], packed[:20] + bytes(40)):
        with pytest.raises(OSError, match="data is cut or corrupt"):
            unpacked(data)
    bomb = subprocess.run(["zstd", "-c"], input=bytes(5_000_000), capture_output=True, check=True).stdout
    assert len(unpacked(bomb)) == 5_000_000


def test_what_has_to_be_unpacked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(compression, "import_module", missing)
    for start, command in (
        (b"\x28\xb5\x2f\xfd", "zstd -dc"),
        (b"\x04\x22\x4d\x18", "lz4 -dc"),
        (b"PK\x03\x04", "unzip -p"),
    ):
        with pytest.raises(Unreadable, match=f"unpack it first, as with {command} FILE"):
            decompressed(start, io.BytesIO())
        result = simp("decode", "--ladder", "-", stdin=start + bytes(40))
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"as with {command} FILE | simp decode -" in result.stderr
    assert decompressed(b"\x02\x01\0a", io.BytesIO()) is None

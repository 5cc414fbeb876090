"""Files that are compressed, read as what is in them, in bounded memory."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, Final, Protocol

_PIECE: Final = 64 * 1024
_MAX_MEMORY: Final = 128 * 1024 * 1024
"""What a file may ask for; `xz -9` asks for half of it."""
_ZSTD: Final = ("compression.zstd", "backports.zstd", "pyzstd")
"""From Python 3.14 on; and what may be installed, which is the same."""
_LITTLE: Final = 1024
"""What is given to a library that has no bound for what comes out: in zstd, 4 bytes can become 128 KiB."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Unbounded:
    """A library's decompressor with the manners of the others: it is given so little that what comes out is bounded."""

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor
        self._in = b""
        self._out = io.BytesIO()
        self._left = 0

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.eof) and not self._left

    @property
    def needs_input(self) -> bool:
        return not self._in and not self._left

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decompressor.unused_data) + self._in

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._in += data
        while self._in and not self._left and not self._decompressor.eof:
            piece, self._in = self._in[:_LITTLE], self._in[_LITTLE:]
            out = self._decompressor.decompress(piece)
            self._out, self._left = io.BytesIO(out), len(out)
        out = self._out.read(max_length)
        self._left -= len(out)
        return out


def _gzip() -> _Decompressor:
    return _Unbounded(zlib.decompressobj(zlib.MAX_WBITS | 16))


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_MAX_MEMORY)


def _zstd() -> _Decompressor:
    """Raises `ImportError` where nothing reads it. Others have windows of at most 128 MiB of their own accord."""
    for name in _ZSTD:
        try:
            module = import_module(name)
        except ImportError:
            continue
        decompressor: _Decompressor = module.ZstdDecompressor()
        return decompressor
    zstandard = import_module("zstandard")
    return _Unbounded(zstandard.ZstdDecompressor(max_window_size=_MAX_MEMORY).decompressobj())


_FORMATS: Final[dict[bytes, tuple[str, Callable[[], _Decompressor] | None, str]]] = {
    b"\x1f\x8b": ("gzip", _gzip, "gunzip -c"),
    b"BZh": ("bzip2", bz2.BZ2Decompressor, "bunzip2 -c"),
    b"\xfd7zX": ("xz", _xz, "xz -dc"),
    b"]\0\0": ("lzma", _xz, "xz -dc --format=lzma"),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd, "zstd -dc"),
    b"\x04\x22\x4d\x18": ("lz4", None, "lz4 -dc"),
    b"\x1f\x9d": ("compress", None, "uncompress -c"),
    b"PK\x03\x04": ("zip", None, "unzip -p"),
    b"7z\xbc\xaf": ("7-Zip", None, "7z x -so"),
}
"""By the first bytes: the format, what reads it, if Python can, and the command that does."""


class Unreadable(Exception):  # noqa: N818  # what to do is in it
    """A format that can't be read here, with the command that unpacks it."""


def decompressed(magic: bytes, stream: BinaryIO) -> BinaryIO | None:
    """What is in a file that begins with those four bytes; `None` if it isn't compressed.

    Raises `Unreadable`. Reading raises `OSError` where the file is cut or corrupt.
    """
    for start, (name, make, command) in _FORMATS.items():
        if magic.startswith(start):
            how = f"it is compressed with {name}: unpack it first, as with {command} FILE | simp decode -"
            if make is None:
                raise Unreadable(how)
            try:
                make()
            except ImportError:
                raise Unreadable(f"{how}; Python reads it from version 3.14 on") from None
            return io.BufferedReader(_Reader(magic, stream, name, make))
    return None


class _Reader(io.RawIOBase):
    """The bytes of one or more compressed streams after one another."""

    def __init__(self, start: bytes, stream: BinaryIO, name: str, make: Callable[[], _Decompressor]) -> None:
        self._data, self._stream, self._name, self._make = start, stream, name, make
        self._decompressor = make()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        try:
            data = self._some(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise self._error(str(error)) from None
        except Exception as error:  # each library of zstd has its own
            if type(error).__name__ != "ZstdError":
                raise
            raise self._error(str(error)) from None
        buffer[: len(data)] = data
        return len(data)

    def _error(self, why: str) -> OSError:
        return OSError(None, f"the {self._name} data is cut or corrupt ({why})")

    def _some(self, size: int) -> bytes:
        """At least one byte, unless all have been read."""
        while True:
            if self._decompressor.eof and not self._next():
                return b""
            if self._decompressor.needs_input and not self._data:
                self._data = self._stream.read(_PIECE)
                if not self._data:
                    raise EOFError("it ends too early")
            given, self._data = self._data, b""
            if data := self._decompressor.decompress(given, size):
                return data

    def _next(self) -> bool:
        """Whether another stream follows; zeros and whatever else may pad the file."""
        self._data = (self._decompressor.unused_data + self._data) or self._stream.read(_PIECE)
        self._data = self._data.lstrip(b"\0") or self._stream.read(_PIECE).lstrip(b"\0")
        if not self._data:
            return False
        self._decompressor = self._make()
        return True

"""Compressed bodies → their bytes, without I/O, in pieces of a bounded size.

A compressed body may be a thousand times larger than what travels, and one that is compressed twice a million times. So
what is not asked for (``ACCEPTED``) is not read, and what is read comes out in pieces, each of which can be counted
before the next one is made.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: Content codings that calls ask for.
ACCEPTED = "gzip, deflate"

#: Largest piece given out, in bytes.
PIECE_BYTES = 64 * 1024

_GZIP_START = b"\x1f\x8b"
_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class CannotInflateError(ValueError):
    """The body is not what its header says, or its coding was not asked for."""


class Inflater:
    """One body's bytes, compressed → as they were.

    Args:
        coding: the header ``content-encoding``.

    Raises:
        CannotInflateError: the coding was not asked for.
    """

    def __init__(self, coding: str) -> None:
        name = coding.strip().lower()
        if name not in _WINDOW:
            raise CannotInflateError(f"content-encoding {coding[:40]!r} was not asked for")
        self._window = _WINDOW[name]
        self._is_deflate = name == "deflate"
        self._stream = zlib.decompressobj(self._window)
        self._has_begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` holds, piece by piece.

        Raises:
            CannotInflateError: these bytes are not compressed that way.
        """
        if data and not self._has_begun:
            self._begin(data)
        is_full = bool(data)
        while is_full or data:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise CannotInflateError(str(error)) from None
            if piece:
                yield piece
            # A full piece may leave something in the decompressor although no input is left.
            is_full, data = len(piece) == PIECE_BYTES, self._stream.unconsumed_tail
            if self._stream.eof:
                data = self._stream.unused_data
                # A body may be several gzip files, one after the other; anything else after its end is padding.
                if self._is_deflate or not data.startswith(_GZIP_START):
                    return
                self._stream = zlib.decompressobj(self._window)

    def _begin(self, data: bytes) -> None:
        self._has_begun = True
        if self._is_deflate and (data[0] & 0x0F) != zlib.DEFLATED:
            # Some servers take the word for what it says, and leave out zlib's head.
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)


def inflater_for(coding: str) -> Inflater | None:
    """What reads a body with that ``content-encoding``; None for one that is as it was.

    Raises:
        CannotInflateError: the coding was not asked for.
    """
    return None if coding.strip().lower() in ("", "identity") else Inflater(coding)

"""gzip, undone up to a bound."""

import zlib

from .decoded import TooLarge, Undecodable

_PIECE_BYTES = 1 << 16
_GZIP = 31
_MOST_MEMBERS = 10_000
"""A member costs more than its twenty bytes: without a bound a body of empty ones would keep a processor for a minute."""


def inflate(body: bytes, limit: int) -> bytes:
    """Return what a gzip body of any number of members holds; nothing for nothing.

    Raises ``TooLarge`` as soon as it is more than ``limit`` bytes, ``Undecodable`` where it is no gzip.
    """
    whole = bytearray()
    at, members = 0, 0
    while at < len(body) and not (members and _is_padding(body, at)):
        members += 1
        if members > _MOST_MEMBERS:
            raise TooLarge(f"The gzip body has more than {_MOST_MEMBERS} members.")
        at = _inflate_member(body, at, whole, limit)
    return bytes(whole)


def _is_padding(body: bytes, at: int) -> bool:
    return body[at] == 0 and not body[at:].strip(b"\0")


def _inflate_member(body: bytes, at: int, whole: bytearray, limit: int) -> int:
    """Append what the member at a place holds; return where it ends."""
    inflater = zlib.decompressobj(_GZIP)
    while not inflater.eof:
        if at >= len(body):
            raise Undecodable("The gzip body ends before its end mark.")
        piece = body[at : at + _PIECE_BYTES]
        at += len(piece)
        try:
            # One byte more than allowed tells that there is more, and no more than that byte is made.
            whole += inflater.decompress(piece, limit - len(whole) + 1)
        except zlib.error as error:
            raise Undecodable("The body is said to be gzip and is not.") from error
        if len(whole) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes when inflated.")
    return at - len(inflater.unused_data)

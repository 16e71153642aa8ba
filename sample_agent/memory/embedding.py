"""Texts as vectors, without a model to download: words and pieces of words, hashed, so that related words are near each other."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

DIMENSIONS = 1024

_WORD = re.compile(r"[^\W_]+")
_ORDINARY = frozenset(
    _WORD.findall(
        "a an and are as at be but by can could do does for from have how i if in is it its me my of on or our please "
        "the their there they this to us was we what when where which who will with would you your"
    )
)
"""Words that say nothing of what a text is about."""
_PIECES = (3, 4)
_WORD_WEIGHT, _PIECE_WEIGHT = 1.0, 0.4


def embed(text: str) -> Vector:
    """Return a text's vector, of length 1; of length 0 for a text without words. The same text has the same vector everywhere."""
    vector = np.zeros(DIMENSIONS, np.float32)
    for piece, weight in _weights(text).items():
        code = zlib.crc32(piece.encode())
        vector[code % DIMENSIONS] += weight if code & 0x8000_0000 else -weight
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def rank(query: Vector, vectors: Sequence[Vector]) -> list[tuple[int, float]]:
    """Return positions and cosines, nearest first; equally near ones in their order."""
    if not vectors:
        return []
    cosines = np.stack(vectors) @ query
    order = np.argsort(-cosines, kind="stable")
    return [(int(position), float(cosines[position])) for position in order]


def _weights(text: str) -> dict[str, float]:
    counts = Counter(word for word in _WORD.findall(text.casefold()) if word not in _ORDINARY)
    weights: Counter[str] = Counter()
    for word, count in counts.items():
        often = 1 + math.log(count)
        weights[word] += _WORD_WEIGHT * often  # type: ignore[assignment]  # a Counter adds any numbers
        for piece in _pieces(word):
            weights[piece] += _PIECE_WEIGHT * often  # type: ignore[assignment]
    return dict(weights)


def _pieces(word: str) -> Iterator[str]:
    # Marked ends, so that beginnings of words count as such.
    marked = f"<{word}>"
    for length in _PIECES:
        yield from (marked[start : start + length] for start in range(len(marked) - length + 1))

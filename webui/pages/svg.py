"""What a drawn graph is made of, and the curves between its stops. Geometry is numbers of pixels; nothing of it comes from words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A stop with its words."""

    x: int
    y: int
    mark: str
    look: str
    href: str
    key: str
    index: str
    name: str
    note: str
    bad: bool
    selected: bool
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A road that was taken."""

    d: str
    look: str
    """``taken``, ``chosen`` after a decision, ``bad`` after a failure, ``side`` to and from other lanes, ``wait``, ``back``."""
    width: str = "2"
    label: str = ""
    label_x: int = 0
    label_y: int = 0


@dataclass(frozen=True, slots=True)
class Road:
    """A road that was not taken: it leaves the thread at (x, top) and ends at its words."""

    x: int
    top: int
    y: int
    name: str
    because: str
    more: bool
    """True for a number of roads instead of one with a name."""

    @property
    def d(self) -> str:
        """Return the curve of the road."""
        return f"M{self.x} {self.top}V{self.y - 8}Q{self.x} {self.y} {self.x + 8} {self.y}H{self.x + 26}"


@dataclass(frozen=True, slots=True)
class Graph:
    """A drawn graph."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    roads: tuple[Road, ...]
    width: int
    height: int
    words: str
    other_words: str
    """What the other way of drawing it is called; with its address."""
    other_href: str
    refused: str
    """Why it is not drawn as asked."""


def down(x: int, top: int, bottom: int) -> str:
    """Return a road straight down a lane."""
    return f"M{x} {top}V{bottom}"


def bend(from_x: int, from_y: int, to_x: int, to_y: int) -> str:
    """Return a road from one lane to another, leaving and arriving downwards."""
    half = max(min((to_y - from_y) // 2, 22), 6)
    if to_x >= from_x:
        return f"M{from_x} {from_y}C{from_x} {from_y + half} {to_x} {from_y + 4} {to_x} {from_y + 2 * half}V{to_y}"
    return f"M{from_x} {from_y}V{to_y - 2 * half}C{from_x} {to_y - 4} {to_x} {to_y - half} {to_x} {to_y}"


def arc(x: int, from_y: int, to_y: int, reach: int) -> str:
    """Return a road that leaves a column sideways and comes back to it elsewhere; a negative reach goes left."""
    if from_y == to_y:
        return f"M{x} {from_y - 4}C{x + 2 * reach} {from_y - 20} {x + 2 * reach} {from_y + 20} {x} {from_y + 4}"
    return f"M{x} {from_y}C{x + reach} {from_y} {x + reach} {to_y} {x} {to_y}"

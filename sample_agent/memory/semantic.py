"""Textbook knowledge: the firm's policies and what its clients prefer, found by meaning."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tracer import retrieval

from ..domain.clients import list_clients
from ..domain.model import Client
from ..domain.store import DomainStore
from ..observe import Observe, Recalled, ignore
from .embedding import Vector, embed, rank
from .policies import POLICIES, Document

SOURCE = "knowledge"
LEAST_SCORE = 0.12


@dataclass(frozen=True, slots=True)
class Hit:
    """A document and how near it is to what was looked for, 0 to 1."""

    document: Document
    score: float


class SemanticMemory:
    """A corpus of documents, searched by meaning. It is read for each search, so that a record changed now is found changed."""

    def __init__(self, read: Callable[[], Iterable[Document]], observe: Observe = ignore) -> None:
        self._read = read
        self._vectors: dict[str, Vector] = {}
        """Of the documents of the last search, by text: only what changed is embedded anew."""
        self._observe = observe

    def search(self, query: str, may_see: Callable[[str], bool], most: int = 3) -> tuple[Hit, ...]:
        """Return the documents nearest to a text, best first, less those of clients that ``may_see`` does not allow."""
        with retrieval(query, name="search knowledge", source=SOURCE) as searching:
            hits = self._nearest(query, may_see)[:most]
            searching.documents([{"id": hit.document.id, "score": round(hit.score, 4), "content": hit.document.text} for hit in hits])
            self._observe(Recalled(SOURCE, query, tuple(hit.document.id for hit in hits)))
        return hits

    def _nearest(self, query: str, may_see: Callable[[str], bool]) -> tuple[Hit, ...]:
        documents, known = tuple(self._read()), self._vectors
        vectors = [known[one.text] if one.text in known else embed(one.text) for one in documents]
        self._vectors = {one.text: vector for one, vector in zip(documents, vectors, strict=True)}
        ranked = rank(embed(query), vectors)
        hits = (Hit(documents[at], score) for at, score in ranked if score >= LEAST_SCORE)
        return tuple(hit for hit in hits if hit.document.client_id is None or may_see(hit.document.client_id))


def read_corpus(store: DomainStore) -> tuple[Document, ...]:
    """Return the policies, and one document for what each client prefers."""
    return (*POLICIES, *(_preferences(client) for client in list_clients(store)))


def _preferences(client: Client) -> Document:
    with_whom = f" with {client.preferred_professional_id}" if client.preferred_professional_id else ""
    wishes = f"prefers appointments {'at any time' if client.preferred_part_of_day == 'any' else f'in the {client.preferred_part_of_day}'}"
    text = f"Client {client.id} {client.name} {wishes}{with_whom}, and messages by {client.preferred_channel}. {client.notes}".strip()
    return Document(f"client-{client.id}", text, client.id)

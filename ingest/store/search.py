"""Text search over what runs thought, were asked, answered and were told: the newest steps that hold all the words.

The index stores no text: FTS5 without content on SQLite, a tsvector with GIN on PostgreSQL. Its row ids are made of the
project, a block of spans of one trace, the place in the block and the field, so that a project's rows are a range, the
newest come last, and a hit leads to its trace without a table in between. The block keeps the texts, compressed: SQLite
needs the old text to take a row out of its index.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Select, cast, column, func, literal, literal_column, select, table

from ingest.chain.steps import error_text, in_order
from ingest.model import Decision, Facts, StoredSpan, Trace

from .bulk import Row, Transaction, marks
from .chunks import compress, decompress
from .derived import search_doc

FIELDS = ("thought", "input", "output", "tool", "error")
"""What is searched separately; ``tool`` is arguments, results and references."""

Texts = tuple[str | None, str | None, str | None, str | None, str | None]
"""The texts of one span, in the order of ``FIELDS``."""

_NOTHING: Texts = (None, None, None, None, None)
_NOT_ASKED = (None, None)

# Of one span at most about 4 KiB are indexed. Indexing costs 40 ns a byte, so the bounds follow what people look for:
# words of thoughts and answers, the head of results.
_THOUGHT_CHARS = 1500
_INPUT_CHARS = 1000
_OUTPUT_CHARS = 1000
_TOOL_CHARS = 250

BLOCK_SPANS = 1024
"""Spans of one block at most; a row id has ten bits for the place in it."""

_FIELD_BITS, _PLACE_BITS, _BLOCK_BITS = 3, 10, 32
_ID_BYTES = 8
_DOC_SHIFT = _FIELD_BITS + _PLACE_BITS

_ENTRIES = msgspec.msgpack.Decoder(list[Texts])
_encode = msgspec.msgpack.Encoder().encode
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r'"([^"]*)"?|(\S+)')


# --- documents ----------------------------------------------------------------------------------------------------


def documents(spans: Sequence[StoredSpan], trace: Trace) -> dict[bytes, Texts]:
    """Return what is indexed of a trace, by span. Texts that its own model calls said already are not said again."""
    asked, said = _run_texts(trace)
    docs: dict[bytes, Texts] = {}
    for span in spans:
        facts = span.facts
        if facts.announce is not None:
            continue
        span_id, made = span.span_id, facts.decision
        thought = facts.thought if made is None or made.source != "declared" else _thought(facts, made)
        output = facts.output if facts.kind == "llm" else said.get(span_id)
        question, references = asked.get(span_id, _NOT_ASKED)
        tool = _tool(facts, references)
        error = error_text(facts)[:_TOOL_CHARS] if facts.tool_error or facts.error_message or facts.error_type else None
        if thought or question or output or tool or error:
            docs[span_id] = (_cut(thought, _THOUGHT_CHARS), question, _cut(output, _OUTPUT_CHARS), tool, error)
    here = {span.span_id for span in spans}
    for run_id, (question, references) in asked.items():
        # A run still open is found by what it was asked as well.
        if run_id not in here and (question or references):
            docs[run_id] = (None, question, None, references, None)
    return docs


def _run_texts(trace: Trace) -> tuple[dict[bytes, tuple[str | None, str | None]], dict[bytes, str | None]]:
    """Return inputs with references, and outputs, by run. A nested run often repeats what its caller was asked."""
    asked: dict[bytes, tuple[str | None, str | None]] = {}
    said: dict[bytes, str | None] = {}
    seen: set[str | None] = {None}
    for run in trace.runs:
        question = run.input if run.input not in seen else None
        seen.add(run.input)
        asked[run.run_id] = (_cut(question, _INPUT_CHARS), " ".join(run.references.values()) or None)
        # Backwards: what a run answers is most often what its last call said.
        if run.output and not any(step.kind == "llm" and step.output == run.output for step in reversed(in_order(run.steps))):
            said[run.run_id] = run.output if run.output not in seen else None
            seen.add(run.output)
    return asked, said


def _thought(facts: Facts, made: Decision) -> str | None:
    """Return what was thought on the way to a declared decision."""
    return " ".join(part for part in (facts.thought, made.question, made.because) if part) or None


def _tool(facts: Facts, references: str | None) -> str | None:
    arguments, result = facts.tool_arguments, facts.tool_result
    if (arguments is None and result is None) or facts.kind in ("agent", "part"):
        return references[:_TOOL_CHARS] if references else None
    if arguments is not None and not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    parts = list(filter(None, (arguments, result, references)))
    whole = "\n".join(parts)
    return (whole if len(whole) <= _TOOL_CHARS else "\n".join([part[:_TOOL_CHARS] for part in parts])) or None


def _cut(value: str | None, chars: int) -> str | None:
    return value[:chars] if value else None


# --- writing ------------------------------------------------------------------------------------------------------


class _Block(NamedTuple):
    """Some spans' texts, and the same as they are stored."""

    texts: Sequence[tuple[bytes, Texts]]
    packed_ids: bytes
    packed_texts: bytes


class Documents(NamedTuple):
    """What is indexed of a trace, by span, and all of it packed: to pack it while the store is locked would keep senders waiting."""

    texts: Mapping[bytes, Texts]
    blocks: Sequence[_Block]


def pack(docs: Mapping[bytes, Texts]) -> Documents:
    """Return documents ready to be stored."""
    return Documents(docs, _blocks(list(docs.items())))


def _blocks(texts: Sequence[tuple[bytes, Texts]]) -> list[_Block]:
    parts = [texts[start : start + BLOCK_SPANS] for start in range(0, len(texts), BLOCK_SPANS)]
    return [_Block(part, *_pack(part)) for part in parts]


def _pack(texts: Iterable[tuple[bytes, Texts]]) -> tuple[bytes, bytes]:
    span_ids, bodies = zip(*texts, strict=True)
    return b"".join(span_ids), compress(_encode(bodies))


class _Entry(NamedTuple):
    doc_id: int
    span_id: bytes
    texts: Texts


def store_documents(tx: Transaction, project_id: int, docs: Mapping[bytes, Documents], known: Sequence[bytes]) -> int:
    """Bring the index of some traces up to date and return how many spans changed in it.

    ``docs`` are by trace. Only the ``known`` traces can have been indexed before; for others nothing is read.
    """
    old = _read_entries(tx, project_id, known)
    changed = 0
    added: list[tuple[bytes, _Block]] = []
    for trace_id, (wanted, blocks) in docs.items():
        if trace_id not in old:
            added.extend((trace_id, block) for block in blocks)
            changed += len(wanted)
            continue
        had = {entry.span_id: entry for entry in old[trace_id]}
        stale = [entry for entry in had.values() if wanted.get(entry.span_id, _NOTHING) != entry.texts]
        if stale:
            _replace_entries(tx, old[trace_id], {entry.span_id: wanted.get(entry.span_id, _NOTHING) for entry in stale})
        fresh = [(span_id, texts) for span_id, texts in wanted.items() if span_id not in had]
        added.extend((trace_id, block) for block in _blocks(fresh))
        changed += len(stale) + len(fresh)
    if added:
        _add_blocks(tx, project_id, added)
    return changed


def forget_documents(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> None:
    """Take traces out of the index."""
    for entries in _read_entries(tx, project_id, trace_ids).values():
        _unindex(tx, entries)
    tx.run(f"DELETE FROM search_doc WHERE project_id = ? AND trace_id IN ({marks(trace_ids)})", (project_id, *trace_ids))


def _read_entries(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, list[_Entry]]:
    if not trace_ids:
        return {}
    of_traces = f"project_id = ? AND trace_id IN ({marks(trace_ids)})"
    statement = f"SELECT id, trace_id, span_ids, texts FROM search_doc WHERE {of_traces} ORDER BY id"
    found: dict[bytes, list[_Entry]] = {}
    for block, trace_id, span_ids, texts in tx.rows(statement, (project_id, *trace_ids)):
        found.setdefault(trace_id, []).extend(_unpack(block, span_ids, texts))
    return found


def _next_block(tx: Transaction, project_id: int) -> int:
    first, end = project_id << _BLOCK_BITS, (project_id + 1) << _BLOCK_BITS
    ((last,),) = tx.rows("SELECT max(id) FROM search_doc WHERE id >= ? AND id < ?", (first, end))
    return first if last is None else int(last) + 1


def _add_blocks(tx: Transaction, project_id: int, added: Iterable[tuple[bytes, _Block]]) -> None:
    rows: list[Row] = []
    indexed: list[tuple[int, str]] = []
    for number, (trace_id, block) in enumerate(added, _next_block(tx, project_id)):
        rows.append((number, project_id, trace_id, block.packed_ids, block.packed_texts))
        for doc_id, (_, texts) in enumerate(block.texts, number << _PLACE_BITS):
            for field, body in enumerate(texts, doc_id << _FIELD_BITS):
                if body:
                    indexed.append((field, body))
    tx.insert(search_doc.name, search_doc.c.keys(), rows)
    _index(tx, indexed)


def _replace_entries(tx: Transaction, entries: Sequence[_Entry], texts: Mapping[bytes, Texts]) -> None:
    """Give some of a trace's entries other texts in their place; a block without any text left goes."""
    old = [entry for entry in entries if entry.span_id in texts]
    _unindex(tx, old)
    _index(tx, _rows([entry._replace(texts=texts[entry.span_id]) for entry in old]))
    touched = {entry.doc_id >> _DOC_SHIFT for entry in old}
    blocks: dict[int, list[_Entry]] = {block: [] for block in touched}
    for entry in entries:
        if entry.doc_id >> _DOC_SHIFT in touched:
            blocks[entry.doc_id >> _DOC_SHIFT].append(entry._replace(texts=texts.get(entry.span_id, entry.texts)))
    for block, kept in blocks.items():
        if all(entry.texts == _NOTHING for entry in kept):
            tx.run("DELETE FROM search_doc WHERE id = ?", (block,))
        else:
            packed = _pack((entry.span_id, entry.texts) for entry in kept)
            tx.run("UPDATE search_doc SET span_ids = ?, texts = ? WHERE id = ?", (*packed, block))


def _unpack(block: int, span_ids: bytes, texts: bytes) -> list[_Entry]:
    return [
        _Entry((block << _PLACE_BITS | place) << _FIELD_BITS, _span_at(span_ids, place), members)
        for place, members in enumerate(_ENTRIES.decode(decompress(texts)))
    ]


def _span_at(span_ids: bytes, place: int) -> bytes:
    return span_ids[place * _ID_BYTES : (place + 1) * _ID_BYTES]


def _rows(entries: Iterable[_Entry]) -> list[tuple[int, str]]:
    """Return texts by the ids under which they are indexed."""
    return [(field, body) for entry in entries for field, body in enumerate(entry.texts, entry.doc_id) if body]


def _index(tx: Transaction, rows: Sequence[tuple[int, str]]) -> None:
    if tx.dialect == "sqlite":
        tx.many("INSERT INTO search_fts (rowid, body) VALUES (?, ?)", rows)
    else:
        ids, bodies = [doc_id for doc_id, _ in rows], [" ".join(_words(body)).casefold() for _, body in rows]
        of_rows = "unnest(CAST(? AS bigint[]), CAST(? AS text[])) AS fresh (id, body)"
        tx.run(f"INSERT INTO search_word (id, words) SELECT id, to_tsvector('simple', body) FROM {of_rows}", (ids, bodies))


def _unindex(tx: Transaction, entries: Iterable[_Entry]) -> None:
    rows = _rows(entries)
    if tx.dialect == "sqlite":
        tx.many("INSERT INTO search_fts (search_fts, rowid, body) VALUES ('delete', ?, ?)", rows)
    else:
        tx.run("DELETE FROM search_word WHERE id = ANY(?)", ([doc_id for doc_id, _ in rows],))


# --- searching ----------------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """Words that follow each other; the last one may be only begun."""

    words: tuple[str, ...]
    begun: bool


def parse_search(asked: str) -> list[Term]:
    """Read what a person typed: words that must all occur, the last one perhaps unfinished, and "quoted phrases"."""
    terms = []
    for match in _PART.finditer(asked.replace("\0", " ")):
        words = tuple(_words(match[1] if match[1] is not None else match[2]))
        if words:
            terms.append(Term(words, begun=match[1] is None and match.end() == len(asked)))
    return terms


def phrase(asked: str) -> list[Term]:
    """Read a text that must occur as it is, but for its last word's end."""
    words = tuple(_words(asked))
    return [Term(words, begun=True)] if words else []


def _words(value: str) -> list[str]:
    return _WORD.findall(value)


def match_expression(dialect: str, terms: Sequence[Term]) -> str:
    """Return the terms in the index's own syntax. Words are letters and digits only, so nothing in them can be syntax."""
    if dialect == "sqlite":
        return " AND ".join(f'"{" ".join(term.words)}"{" *" if term.begun else ""}' for term in terms)
    return " & ".join(f"({' <-> '.join(term.words)}{':*' if term.begun else ''})" for term in terms).casefold()


_FTS = table("search_fts", column("rowid", BigInteger))
_WORDS = table("search_word", column("id", BigInteger), column("words"))


def newest_hits(dialect: str, project_id: int, terms: Sequence[Term], field: str | None, most: int) -> Select[Any]:
    """Select the ids of the newest index rows that hold all terms, in one field or in any."""
    expression = match_expression(dialect, terms)
    if dialect == "sqlite":
        row_id, holds = _FTS.c.rowid, literal_column("search_fts").op("MATCH")(expression)
    else:
        row_id, holds = _WORDS.c.id, _WORDS.c.words.op("@@")(func.to_tsquery(literal_column("'simple'::regconfig"), expression))
    shift = _BLOCK_BITS + _DOC_SHIFT
    wanted = select(row_id).where(holds, row_id >= project_id << shift, row_id < (project_id + 1) << shift)
    if field is not None:
        wanted = wanted.where(row_id.bitwise_and((1 << _FIELD_BITS) - 1) == FIELDS.index(field))
    return wanted.order_by(row_id.desc()).limit(most)


def traces_with(dialect: str, project_id: int, terms: Sequence[Term], field: str, most: int) -> Select[Any]:
    """Select the traces of the newest hits in a field."""
    hits = newest_hits(dialect, project_id, terms, field, most).subquery()
    return select(search_doc.c.trace_id).where(search_doc.c.id.in_(select(hits.c[0].bitwise_rshift(literal(_DOC_SHIFT, Integer)))))


def steps_with(dialect: str, project_id: int, terms: Sequence[Term], field: str, most: int) -> Select[Any]:
    """Select trace and span of the newest hits in a field."""
    hits = newest_hits(dialect, project_id, terms, field, most).subquery()
    place = hits.c[0].bitwise_rshift(literal(_FIELD_BITS, Integer)).bitwise_and(literal(BLOCK_SPANS - 1, Integer))
    span_id = func.substr(search_doc.c.span_ids, cast(place, Integer) * _ID_BYTES + 1, _ID_BYTES, type_=LargeBinary)
    block = hits.c[0].bitwise_rshift(literal(_DOC_SHIFT, Integer))
    return select(search_doc.c.trace_id, span_id).join_from(hits, search_doc, search_doc.c.id == block)


class Hit(NamedTuple):
    """A step that holds the words."""

    trace_id: bytes
    span_id: bytes


def find_hits(conn: Connection, project_id: int, terms: Sequence[Term], field: str | None, most: int) -> list[Hit]:
    """Return the newest steps, at most so many, of which one field holds all terms."""
    if not terms:
        return []
    ids = conn.execute(newest_hits(conn.dialect.name, project_id, terms, field, most if field else most * len(FIELDS))).scalars()
    entries = list(dict.fromkeys(doc_id >> _FIELD_BITS for doc_id in ids))[:most]
    wanted = select(search_doc.c.id, search_doc.c.trace_id, search_doc.c.span_ids)
    numbers = list({entry >> _PLACE_BITS for entry in entries})
    blocks = {block: (trace_id, span_ids) for block, trace_id, span_ids in conn.execute(wanted.where(search_doc.c.id.in_(numbers)))}
    found = [(entry & (BLOCK_SPANS - 1), blocks[entry >> _PLACE_BITS]) for entry in entries if entry >> _PLACE_BITS in blocks]
    return [Hit(trace_id, _span_at(span_ids, place)) for place, (trace_id, span_ids) in found]


def search_text(conn: Connection, project_id: int, asked: str, limit: int = 50) -> list[tuple[bytes, bytes]]:
    """Return (trace, span) of the newest steps that hold all the words, at most ``limit``; nothing without any word."""
    return [(hit.trace_id, hit.span_id) for hit in find_hits(conn, project_id, parse_search(asked), None, limit)]

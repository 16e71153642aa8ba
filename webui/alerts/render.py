"""A letter as plain text and as HTML. The HTML has inline styles and tables, since that is what mail readers take, and nothing remote."""

import textwrap
from collections.abc import Iterable, Iterator
from html import escape

from .letter import Deed, Letter, Line, Piece, RunLine

_WIDTH = 72
_LABEL = 14
MOST_BYTES = 100_000

_INK, _SOFT, _BAD, _LINK, _RULE, _PAPER = "#1a1c1f", "#5b6169", "#b3241c", "#2c49b8", "#e0e0db", "#fdfdfc"
_SANS = "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "ui-monospace,Menlo,Consolas,'Liberation Mono',monospace"


def as_text(letter: Letter) -> str:
    """Return the plain text part."""
    blocks = [
        _wrap(f"{letter.headline} {letter.headline_bad}".strip()),
        letter.meta,
        "\n".join(_text_deeds(letter.deeds)),
        _wrap(letter.deeds_note),
        "\n".join(line for one in letter.lines for line in _text_line(one)),
        "\n".join([letter.runs_title, *(line for run in letter.runs for line in _text_run(run))]) if letter.runs else "",
        "\n".join([letter.others_title, *(line for run in letter.others for line in _text_run(run))]) if letter.others else "",
        "What ends this\n" + _flow(letter.ends) if letter.ends else "",
    ]
    text = "\n\n".join(block for block in blocks if block)
    return f"{text}\n\n-- \n{_flow(letter.foot)}\n"


def _wrap(text: str, indent: str = "") -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, subsequent_indent=indent, initial_indent=indent, break_on_hyphens=False))


def _text_deeds(deeds: Iterable[Deed]) -> Iterator[str]:
    for deed in deeds:
        yield f"{deed.words.upper():<20}{deed.href}"


def _text_line(line: Line) -> Iterator[str]:
    """Lay a labelled line out in two columns; links stand on lines of their own, whole."""
    label = line.label
    for part in _paragraphs(line.pieces):
        wrapped = [part] if part.startswith(("http://", "https://")) else textwrap.wrap(part, _WIDTH - _LABEL, break_on_hyphens=False)
        for words in wrapped:
            yield f"{label:<{_LABEL}}{words}"
            label = ""


def _paragraphs(pieces: Iterable[Piece]) -> Iterator[str]:
    words = ""
    for piece in pieces:
        words += piece.text
        if piece.href:
            yield words.strip()
            yield piece.href
            words = ""
        elif not words.strip(" .;"):
            # What only ends the sentence that the link stood in.
            words = words.lstrip(" .;")
    if words.strip(" .;"):
        yield words.strip().removeprefix(". ")


def _text_run(run: RunLine) -> Iterator[str]:
    yield f"{run.amount:>10}  {run.note}"
    if run.title:
        yield from textwrap.wrap(run.title, _WIDTH - 12, initial_indent=" " * 12, subsequent_indent=" " * 12, max_lines=2, placeholder="…")
    if run.step:
        yield from textwrap.wrap(f"{run.step}:", _WIDTH - 12, initial_indent=" " * 12, subsequent_indent=" " * 12)
    if run.href:
        yield f"{'':12}{run.href}"


def _flow(pieces: Iterable[Piece]) -> str:
    return "\n".join(part if part.startswith("http") else _wrap(part) for part in _paragraphs(pieces))


# --- HTML ---------------------------------------------------------------------------------------------------------

_DARK = """
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .bg { background-color: #141619 !important; }
  .i { color: #e7e8ea !important; border-color: #2a2e34 !important; }
  .s { color: #a3a9b2 !important; border-color: #2a2e34 !important; }
  .r, .l { border-color: #2a2e34 !important; }
  .b { color: #9fb3ff !important; }
  .red { color: #ff8f85 !important; }
  .p1 { background-color: #e7e8ea !important; color: #141619 !important; border-color: #e7e8ea !important; }
  .p2 { background-color: #1f2227 !important; color: #e7e8ea !important; border-color: #565d66 !important; }
  .p3 { background-color: #1f2227 !important; color: #ff8f85 !important; border-color: #ff8f85 !important; }
}
@media (max-width: 480px) {
  .wrap { padding: 16px !important; }
  .bt { display: block !important; padding: 0 0 8px !important; }
  .bt a { display: block !important; }
  .l { width: 92px !important; }
}
"""


def as_html(letter: Letter) -> str:
    """Return the HTML part."""
    title = escape(letter.subject)
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">\n<meta name="supported-color-schemes" content="light dark">',
        f"<title>{title}</title>\n<style>{_DARK}</style>\n</head>",
        f'<body class="bg" style="margin:0;padding:0;background-color:{_PAPER};font-family:{_SANS};-webkit-text-size-adjust:100%">',
        f'<table role="presentation" class="bg" width="100%" cellpadding="0" cellspacing="0" border="0" style="background-color:{_PAPER}">'
        '<tr><td align="center">',
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:620px"><tr>'
        f'<td class="wrap" style="padding:28px 24px;font-family:{_SANS};line-height:1.45">',
        *_html_body(letter),
        "</td></tr></table>\n</td></tr></table>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _html_body(letter: Letter) -> Iterator[str]:
    is_bad = letter.severity == "critical"
    word, _, rest = letter.meta.partition(",")
    look = f' class="red" style="color:{_BAD};font-weight:600"' if is_bad else ' style="font-weight:600"'
    rest = f", {rest.strip()}" if rest else ""
    yield f'<div class="s" style="color:{_SOFT};font-size:13px"><span{look}>{escape(word)}</span>{escape(rest)}</div>'
    costly = f' <span class="red" style="color:{_BAD}">{escape(letter.headline_bad)}</span>' if letter.headline_bad else ""
    style = f"margin:8px 0 0;font-size:20px;line-height:1.35;font-weight:600;color:{_INK}"
    yield f'<h1 class="i" style="{style}">{escape(letter.headline)}{costly}</h1>'
    if letter.deeds:
        yield _html_deeds(letter.deeds)
        yield f'<div class="s" style="color:{_SOFT};font-size:13px;margin-bottom:20px">{escape(letter.deeds_note)}</div>'
    yield f'{_TABLE} width="100%" style="margin-top:16px">{"".join(map(_html_line, letter.lines))}</table>'
    yield from _html_runs(letter.runs_title, letter.runs)
    yield from _html_runs(letter.others_title, letter.others)
    if letter.ends:
        yield _heading("What ends this")
        yield f'<div class="s" style="color:{_SOFT};font-size:14px">{_html_pieces(letter.ends)}</div>'
    style = f"margin-top:24px;padding-top:10px;border-top:1px solid {_RULE};color:{_SOFT};font-size:12px"
    yield f'<div class="s r" style="{style}">{_html_pieces(letter.foot)}</div>'


def _heading(words: str) -> str:
    return f'<h2 class="i" style="margin:24px 0 6px;font-size:15px;font-weight:600;color:{_INK}">{escape(words)}</h2>'


_TABLE = '<table role="presentation" cellpadding="0" cellspacing="0" border="0"'

_BUTTONS = {"stop": ("p3", _BAD, _PAPER, _BAD), "main": ("p1", _PAPER, _INK, _INK), "plain": ("p2", _INK, _PAPER, "#b9b9b3")}
"""Class, ink, ground and edge of each look."""


def _html_deeds(deeds: Iterable[Deed]) -> str:
    cells = []
    for deed in deeds:
        name, ink, ground, edge = _BUTTONS[deed.look]
        style = (
            f"display:inline-block;padding:11px 16px;border:1px solid {edge};border-radius:4px;background-color:{ground};color:{ink};"
            "font-size:15px;line-height:20px;font-weight:600;text-decoration:none;text-align:center;white-space:nowrap"
        )
        link = f'<a class="{name}" href="{escape(deed.href)}" style="{style}">{escape(deed.words)}</a>'
        cells.append(f'<td class="bt" style="padding:0 8px 8px 0">{link}</td>')
    return f"{_TABLE} style=\"margin:18px 0 12px\"><tr>{''.join(cells)}</tr></table>"


def _html_line(line: Line) -> str:
    label = f"padding:7px 12px 7px 0;border-top:1px solid {_RULE};color:{_SOFT};font-size:13px"
    value = f"padding:7px 0;border-top:1px solid {_RULE};color:{_INK};font-size:14px;overflow-wrap:anywhere"
    return (
        f'<tr><td class="s l" width="104" valign="top" style="{label}">{escape(line.label)}</td>'
        f'<td class="i r" valign="top" style="{value}">{_html_bars(line)}{_html_pieces(line.pieces)}</td></tr>'
    )


def _html_bars(line: Line) -> str:
    """Draw bars from table cells: they need neither a picture nor a script."""
    if not line.bars:
        return ""
    block = f"width:16px;line-height:1px;font-size:1px;background-color:{_BAD}"
    heights = [max(round(28 * share), 1) for share in line.bars]
    cell = '<td valign="bottom" style="padding:0 2px 0 0">'
    cells = "".join(f'{cell}<div style="{block};height:{height}px">&nbsp;</div></td>' for height in heights)
    style = f"padding-left:6px;font-size:12px;line-height:14px;color:{_SOFT}"
    note = f'<td valign="bottom" class="s" style="{style}">{escape(line.bars_note)}</td>'
    return f'{_TABLE} style="margin-bottom:4px"><tr>{cells}{note}</tr></table>'


def _html_pieces(pieces: Iterable[Piece]) -> str:
    return "".join(map(_html_piece, pieces))


def _html_piece(piece: Piece) -> str:
    words = escape(piece.text)
    if piece.href.startswith(("https://", "http://")):
        return f'<a class="b" href="{escape(piece.href)}" style="color:{_LINK};text-decoration:underline">{words}</a>'
    if piece.is_data:
        return f'<span style="font-family:{_MONO};font-size:13px">{words}</span>'
    return f'<span class="red" style="color:{_BAD};font-weight:600">{words}</span>' if piece.is_bad else words


def _html_runs(title: str, runs: Iterable[RunLine]) -> Iterator[str]:
    rows = "".join(map(_html_run, runs))
    if rows:
        yield _heading(title)
        yield f'{_TABLE} width="100%">{rows}</table>'


def _html_run(run: RunLine) -> str:
    edge = f"border-top:1px solid {_RULE};font-size:14px;color:{_INK}"
    name = _html_piece(Piece(run.name, "" if run.step else run.href))
    note = f" &middot; {escape(run.note)}" if run.note else ""
    note += f" &middot; {_html_piece(Piece(run.step, run.href))}" if run.step else ""
    title = f"{escape(run.title)}<br>" if run.title else ""
    return (
        f'<tr><td valign="top" class="i" style="padding:7px 12px 7px 0;{edge}">{title}'
        f'<span class="s" style="color:{_SOFT};font-size:13px">{name}{note}</span></td>'
        f'<td align="right" valign="top" class="i" style="padding:7px 0;{edge};font-weight:600;white-space:nowrap">'
        f"{escape(run.amount)}</td></tr>"
    )

"""Text out of traces for a terminal: it must not move the cursor, set the clipboard or turn the line around."""

_UNSHOWN = dict.fromkeys((*range(32), *range(127, 160), 8206, 8207, *range(8234, 8239), *range(8294, 8298)), "�")
_UNSHOWN |= dict.fromkeys(range(55296, 57344), "�")
_UNSHOWN[ord("\t")] = "    "
_UNSHOWN[ord("\r")] = ""
del _UNSHOWN[ord("\n")]


def plain(text: str) -> str:
    """Return a text with line breaks and nothing else that a terminal would act on."""
    return text.translate(_UNSHOWN)


def plain_line(text: str) -> str:
    """Return a text as one such line."""
    return " ".join(plain(text).split())

"""The fewest tools that do: which tasks somebody's words are about, and which tools each of them takes.

Read by rules and not by a model, which might be talked into more. What destroys needs a word for it; who says nothing of what is wanted
may be booked for, which can be taken back.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType

TASKS = MappingProxyType(
    {
        "book": frozenset({"get_client_preferences", "check_availability", "book_appointment", "send_confirmation"}),
        "reschedule": frozenset({"get_client_preferences", "check_availability", "reschedule_appointment", "send_confirmation"}),
        "cancel": frozenset({"get_client_preferences", "cancel_appointment"}),
        "confirm": frozenset({"get_client_preferences", "send_confirmation"}),
        "enquire": frozenset({"get_client_preferences", "check_availability"}),
    }
)
"""The tools that each task needs, and no others."""

SPECIALISTS = MappingProxyType(
    {
        "calendar": frozenset({"check_availability", "book_appointment", "cancel_appointment", "reschedule_appointment"}),
        "client": frozenset({"get_client_preferences", "send_confirmation"}),
    }
)
"""The tools of each agent where several work together; what is asked for narrows them further."""


def tools_for(*tasks: str) -> frozenset[str]:
    """Return the tools that these tasks need together; a task nobody knows, and no task, may only look."""
    return frozenset().union(*(TASKS.get(task, TASKS["enquire"]) for task in tasks or ("enquire",)))


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


WORDS = MappingProxyType(
    {
        "book": _any(
            r"book(?:ed|ing)?|schedul\w*|arrange|set up|reserve|fit (?:me|us|him|her|them) in|meet(?:ing)? with|see|meet",
            r"(?:an?|another|new|first) (?:appointment|meeting|consultation)|i(?:'d| would) like|need|want|take",
        ),
        "reschedule": _any(
            r"mov(?:e|ed|ing)|reschedul\w*|postpon\w*|shift|push|bring forward|rebook|chang(?:e|ed|ing)|swap|delay|instead",
            r"earlier|later|another (?:day|time)",
        ),
        "cancel": _any(r"cancel\w*|call(?:ed)? off|delet\w*|drop|remove|can(?:'|no)?t (?:make|come)|not com(?:e|ing)|no longer need"),
        "confirm": _any(r"confirm\w*|remind\w*|send|notify|e-?mail|text|sms|let (?:me|us|him|her|them) know"),
        "enquire": re.compile(
            r"\?\W*$|^\W*(?:what|when|which|who|how|is|are|do|does|can|could|show|list|tell|find|look up)\b"
            r"|\b(?:preferences?|polic(?:y|ies))\b",
            re.IGNORECASE,
        ),
    }
)
"""How people say what they want. Several may be meant at once."""


def read_tasks(said: Sequence[str]) -> frozenset[str]:
    """Return the tasks that a user's words are about; ``said`` is what they said, the newest first.

    What was asked for before is meant still ("the second one", "could you do Friday?"), as far back as to the last words that name a task.
    """
    now, before = _tasks_in(said[0]) if said else frozenset(), said[1:]
    asked = next((found for text in before if (found := _tasks_in(text) - {"enquire"})), frozenset())
    return now | asked | (frozenset({"book"}) if before or not now else frozenset())


def _tasks_in(text: str) -> frozenset[str]:
    return frozenset(task for task, pattern in WORDS.items() if pattern.search(text))

"""The facts of a sentence: what must be equal in two questions before the same answer may serve both, however alike they sound."""

import re

WORD = re.compile(r"[a-z]+|\d+(?::\d+)?", re.IGNORECASE)

DAYS = "monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight week weekend month"
MONTHS = "january february march april may june july august september october november december"
TIMES = "morning afternoon evening noon midday midnight am pm before after until early earliest earlier late latest later next last this"
VERBS = "book schedule arrange cancel delete remove drop move reschedule postpone shift confirm send check show list find change keep"
DENIALS = "not no never without except don won can cannot instead nor neither"
NUMBERS = "one two three four five six seven eight nine ten half quarter hour hours minute minutes"

TELLING = frozenset(" ".join((DAYS, MONTHS, TIMES, VERBS, DENIALS, NUMBERS)).split())

POLITE = "i please could can would what when where who how is are do does the a an my our your hello hi dear thanks"
ORDINARY = frozenset(POLITE.split())
"""Words that begin a sentence with a capital without being a name."""

SAME = {"schedule": "book", "arrange": "book", "delete": "cancel", "remove": "cancel", "drop": "cancel", "reschedule": "move"}
SAME |= {"postpone": "move", "shift": "move", "hours": "hour", "minutes": "minute", "show": "check", "list": "check", "find": "check"}


def facts_in(text: str) -> frozenset[str]:
    """Return numbers, days, times, verbs, denials and names, lower case and with their synonyms folded."""
    facts = set()
    for word in WORD.findall(text):
        lower = word.lower()
        is_name = word[0].isupper() and lower not in ORDINARY
        if word[0].isdigit() or lower in TELLING or is_name:
            facts.add(SAME.get(lower, lower))
    return frozenset(facts)

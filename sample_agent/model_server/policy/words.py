"""What gives a request away: the words for each act, and for what is not done."""

import re


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


HARM = re.compile(
    "|".join(
        (
            r"ignore (?:\w+ ){0,3}(?:instructions|rules|prompts?)",
            r"disregard (?:\w+ ){0,3}(?:instructions|rules)",
            r"system prompt|your (?:instructions|prompt|rules)|developer mode|jailbreak|override|sudo",
            r"pretend (?:to be|you)|you are now|act as (?:an? )?(?:admin|root|dan)",
            r"drop table|select \*|union select|delete from|insert into|[';]\s*--|;\s*(?:drop|delete|update)",
            r"(?:every|all|other|another) (?:the )?(?:other )?clients?\b|client (?:database|list)|database|someone else's",
            r"all (?:the )?appointments (?:of|for) (?:every|all)",
            r"api key|password|secret|credential|reference code|canary|internal (?:url|address|id)",
            r"\[removed\]",  # what a sanitiser puts in place of an injection
        )
    ),
    re.IGNORECASE,
)
"""Attempts to change the rules, or to get at what is not the user's."""

ESCALATE = _any(
    "human|real person|a person|somebody real|someone real|manager|supervisor|receptionist|front desk",
    "complain|complaint|complaints|call me back|(?:speak|talk) (?:to|with) (?:someone|somebody)|emergency|urgent|urgently",
    "recurring|weekly|every (?:day|week|month|monday|tuesday|wednesday|thursday|friday)|whole team|everyone|everybody|all of your",
)
POLICY = _any(
    "policy|policies|fee|fees|charged?|costs?|opening hours|when are you open|are you open|open on|closed on|how far ahead",
    "how long (?:is|does|do)|what happens if|is it free|do i have to pay|allowed",
)
NAMED = re.compile(r"\b(?:please|client 1\d{4}|A\d{5})\b", re.IGNORECASE)
"""Words that ask for something to be done, not for a rule."""
OTHER = _any(
    "advice|advise|should i (?:invest|sue|sign|buy|sell)|legal question|tax question|deduct|poem|weather|joke|recipe",
    "code|translate|stock|news|homework|essay",
)
SCHEDULING = _any("book|appointment|appointments|meeting|schedule|reschedule|cancel")

ACTS = {
    "cancel": _any("cancel|call off|delete|drop|remove"),
    "move": _any(
        "move|reschedule|postpone|shift|push|bring forward|rebook|instead of",
        "change (?:my|the|our|that|this|his|her|appointment)",
    ),
    "book": _any(
        "book|schedule|arrange|set up|make an appointment|reserve|fix a (?:time|meeting)|see|meet|meeting with",
        "appointment (?:with|for|on)|need an? (?:appointment|meeting)",
    ),
    "send": _any("confirmation|confirm|reminder|send|notify"),
    "search": _any("find|free times?|available|availability|free on|free (?:next|this)|slots?|openings?|is .* free|when (?:could|can|is)"),
    "look_up": _any(
        "look up|preferences?|prefers?|my (?:next )?appointments?|appointments? (?:do|does|of)|what do i have|upcoming|show|list|when is",
    ),
}
"""The acts, those that cannot be taken back first: where a text has words of two, the first is meant."""

FIRST_WORD = re.compile(r"^\W*(?:please |could you |can you |kindly |i'd like to |i want to )*(\w+(?: up)?)", re.IGNORECASE)
GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|afternoon)|thanks?|thank you|bye|goodbye|great|perfect|ok|okay)\b[^?]{0,40}$", re.IGNORECASE
)
PLAIN_YES = re.compile(r"^\W*(?:yes|yep|no|nope|sure)\b[^?]{0,20}$", re.IGNORECASE)
ASKS = re.compile(r"(?<!anything else)\?\s*$|yes or no\.?\s*$")
"""How an assistant's turn ends that waits for an answer."""

SEND_TOO = _any("send|let (?:him|her|them|me) know|notify|email|e-mail|text|sms|confirmation")
SEND_NOTHING = re.compile(
    r"(?:\b(?:not|no|never|without|skip|neither|nor|cannot|dont)|n['’]t)\b[^.?!]*\b(?:send|notify|e-?mail|text|sms|confirmation)\b",
    re.IGNORECASE,
)
PURPOSE = re.compile(
    r"\b(?:about|regarding|concerning|to discuss|to talk about|purpose:)\s+(?:the |his |her |my |their |our )?([a-zA-Z][\w' -]{2,60}?)"
    r"(?=[,.;!?]|$| (?:on|at|with|next|this|in the|tomorrow|today|for \d)\b)",
    re.IGNORECASE,
)
REASON = re.compile(r"\b(?:because|since|as) ([^.;!?]{3,90})", re.IGNORECASE)
MOVE_TO = re.compile(
    r"\b(?:move|reschedule|postpone|shift|push|bring forward|change|rebook)\b(.*?)\b(?:to|until|for|into|onto)\b(.*)",
    re.IGNORECASE | re.DOTALL,
)
INSTEAD = re.compile(r"(.*)\binstead of\b(.*)", re.IGNORECASE | re.DOTALL)

CLIENT_ID = re.compile(r"\bclient(?:\s+(?:id|number|no\.?))?\s*#?(\d+)\b|\b(1\d{4})\b", re.IGNORECASE)
APPOINTMENT_ID = re.compile(r"\b(A\d{5,9})\b")
PROFESSIONAL_ID = re.compile(r"\b(P\d{2})\b")

NAME = r"[A-Z][a-zé'-]+(?: [A-Z][a-zé'-]+){0,2}"
TITLE = r"(?:Mr\.? |Ms\.? |Mrs\.? |Dr\.? )?"
BEFORE_CLIENT = r"[Cc]lient|[Ff]or|[Bb]ook|[Oo]f|[Cc]ancel|[Mm]ove|[Rr]eschedule|[Ll]ook up|about|with client"
CLIENT_NAME = re.compile(rf"\b(?:{BEFORE_CLIENT}) {TITLE}({NAME})")
OWNER = re.compile(rf"\b({NAME})'s? (?:appointment|meeting|booking|preference|next|calendar)")
WITH = re.compile(rf"\b(?:with|[Ii]s|see|meet) (?:both )?{TITLE}({NAME}(?:(?:,? and |, | & ){TITLE}{NAME})*)")
NO_NAMES = frozenset(
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "london",
        "new",
        "singapore",
        "i",
        "please",
        "client",
        "the",
        "my",
        "an",
        "a",
        "all",
        "it",
        "this",
        "that",
        "appointment",
        "meeting",
        "tax",
        "next",
        "today",
        "tomorrow",
        "any",
    ]
)
"""Words with a capital that are nobody's name."""

"""What attacks and leaks look like, as far as it is known. A new one is one line here and one case in the tests."""

import re

REMOVED = "[removed]"
"""Stands where something was taken out, on the way in and on the way out."""

# Words between two others, few enough that a pattern stays within a sentence and costs next to nothing on hostile text.
_FEW = r"(?:[\w'’-]+[\s,;:.\"'*_-]+){0,5}?"
_GAP = r"[\s,;:.\"'*_-]+"


def _compile(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.MULTILINE)


INJECTIONS = (
    (
        "instruction override",
        _compile(
            r"\b(?:ignore|disregard|forget|override|bypass|discard|drop|stop following|do not follow|don't follow)\b", _GAP, _FEW,
            r"(?:instructions?|prompts?|guidelines?|directives?|programming|guardrails?|(?:safety|previous|prior|above|your) rules)\b",
        ),
    ),
    (
        "instruction override",
        _compile(
            r"\b(?:ignoriere|vergiss|missachte|ignora|olvida|ignorez|ignore|oubliez|oublie)\b", _GAP, _FEW,
            r"(?:anweisungen|instrucciones|istruzioni|consignes|instructions)\b",
        ),
    ),
    ("instruction override", _compile(r"\b(?:new|updated|real|actual) (?:system )?(?:instructions?|prompt) ?(?::|follow|are\b|is\b)")),
    (
        "role change",
        _compile(
            r"\byou are (?:now|from now on|henceforth) (?:an? |the |my |dan\b|no longer|free|unrestricted|unbound|in \w+ mode)",
            r"|\b(?:act|behave|respond|pretend)", _GAP, r"(?:as|to be|that you are|like)(?: if you (?:were|are))?(?: an?| the)? ",
            r"(?:admin\w*|root|developer|system|dan|unrestricted|jailbroken|superuser|dba)\b",
        ),
    ),
    ("role change", _compile(r"\b(?:developer|debug|god|sudo|admin|maintenance|jailbreak) mode\b|\bdo anything now\b|\bjailbreak\b")),
    (
        "prompt theft",
        _compile(
            r"\b(?:reveal|show|print|repeat|output|display|tell|give|leak|recite|dump|translate|encode|summari[sz]e",
            r"|what (?:is|are|was|were))\b", _GAP, _FEW,
            r"(?:system (?:prompt|message|instructions?)|your (?:instructions|prompt|configuration)|canary",
            r"|(?:initial|hidden|secret|internal|original) (?:instructions?|prompt|rules|configuration))\b",
        ),
    ),
    ("role marker", _compile(r"^\s*(?:system|assistant|developer|human|tool)(?: message| note| prompt| override)?\s*:")),
    ("role marker", _compile(r"<\|[\w ]{1,30}\|>|\[/?inst\]|<</?sys>>|#{2,}\s*(?:system|instructions?|assistant|new instructions?)\b")),
    (
        "forged delimiter",
        _compile(
            r"<\s*/?\s*(?:user_input|tool_result|memory|notes|now|acting_for|pending|confirmed|plan|step|failure|task|outcome|history",
            r"|summary|system|instructions?|admin)\b[^>\n]{0,80}>?",
        ),
    ),
    (
        "mass disclosure",
        _compile(
            r"\b(?:send|e-?mail|forward|post|upload|export|transmit|copy|list|dump|show|give|reveal)\b", _GAP, _FEW,
            # Many clients, or any other one: "all appointments of client 10422" is about one, and may well be the asker's own.
            r"(?:(?:all|every|entire|whole|other|complete)", _GAP, _FEW, r"(?:clients|customers)\b(?! ?#?\d)",
            r"|(?:every|each|(?:an)?other)", _GAP, r"(?:(?:other|single)", _GAP, r")?(?:client|customer)\b",
            r"|(?:client|customer)s?['’]? (?:database|list|records)|credentials|passwords?|api keys?)",
        ),
    ),
    (
        "claimed authority",
        _compile(
            r"\b(?:admin\w*|system|developers?|anthropic|openai|security team|it department|management)\b", _GAP, _FEW,
            r"(?:override|overrides|pre-?authori[sz]ed|(?:has|have) authori[sz]ed (?:you|me|us|full|all|access|disclosure|release",
            r"|(?:this|the|an?) (?:request|access|session|chat|action|operation|command|change|disclosure|release|transfer|export)))\b",
        ),
    ),
    (
        "forged tool call",
        _compile(
            r"\b(?:call|invoke|execute|run|use)\b", _GAP, _FEW,
            r"[a-z]{1,20}_(?:appointment|availability|client_preferences|confirmation)\b",
        ),
    ),
    ("remote image", _compile(r"!\[[^\]\n]{0,200}\]\(\s*(?:https?:)?//[^)\n]{0,500}\)?")),
)  # fmt: skip
"""Names and patterns of injections, for text in lower case with lookalikes levelled."""

HIDDEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
"""Characters that nobody sees and models read: controls, zero widths, changes of direction, halves of characters, tags."""

JOINERS = re.compile("[\u200d\ufe00-\ufe0f]")
"""Characters that emoji are made with, and words broken by: taken out, yet no sign of harm."""

LOOKALIKES = dict(
    zip(
        "аеорсухіїјѕԁһӏвмнткαορνιτυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТХІЅЈ",
        "aeopcyxiijsdhlbmhtkaopvitukABEZHIKMNOPTYXABEKMHOPCTXISJ",
        strict=True,
    )
)
"""Cyrillic and Greek letters that look like Latin ones."""

LEAKS = (
    ("social security number", re.compile(r"\b(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}\b")),
    ("social security number", re.compile(r"\b(?:ssn|social security (?:number|no\.?))\W{0,5}\d{9}\b", re.IGNORECASE)),
    ("key", re.compile(r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{16,}")),
    ("key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[\w-]{30,}")),
    ("key", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    ("key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END [A-Z ]{0,30}PRIVATE KEY-----|[\s\S]{0,8000})")),
    ("key", re.compile(r"\bbearer\s+[\w.~+/-]{16,}=*", re.IGNORECASE)),
    (
        "key",
        re.compile(
            # After "is" only what looks like one: in quotes, or with a digit or a sign in it that no plain word has.
            r"\b(?:api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|password|passwd|pwd)"
            r"\s*(?:(?:is\s*)?[:=]\s*\S{6,}|is\s+(?:[\"'`“‘]\S{6,}|(?=[^\s\d@#$%^&*_!~+/=]{0,40}[\d@#$%^&*_~+/=])\S{6,}))",
            re.IGNORECASE,
        ),
    ),
    (
        "internal address",
        re.compile(
            r"\b(?:[a-z][a-z0-9+.-]{1,12}://)(?:[^\s/@]{1,100}@)?(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+"
            r"|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|169\.254\.\d+\.\d+|\[::1\])(?::\d+)?[^\s)\]>\"']*",
            re.IGNORECASE,
        ),
    ),
    (
        "internal address",
        re.compile(
            r"\b(?:[a-z]{2,12}://)?(?:[a-z0-9-]{1,63}\.){1,5}(?:internal|local|corp|intranet|lan)\b(?::\d+)?[^\s)\]>\"',]*",
            re.IGNORECASE,
        ),
    ),
    ("internal address", re.compile(r"\b(?:postgres(?:ql)?|mysql|redis|mongodb|sqlite)(?:\+\w+)?://\S+", re.IGNORECASE)),
    ("stack trace", re.compile(r"Traceback \(most recent call last\):(?:\n(?:[ \t].*|[\w.]+(?:Error|Exception|Warning|Interrupt)\b.*))*")),
    ("stack trace", re.compile(r"^\s*File \"[^\"\n]+\", line \d+.*(?:\n[ \t]+.*)?", re.MULTILINE)),
    ("stack trace", re.compile(r"^\s*at [\w.$<>]+\([\w.]+:\d+(?::\d+)?\).*$", re.MULTILINE)),
    ("stack trace", re.compile(r"\b(?:sqlite3|pydantic|sqlalchemy|httpx|anthropic|openai)(?:\.\w+)*\.\w*(?:Error|Exception)\b[^\n]*")),
    # To the end where it is never closed, so that each match uses up what it read.
    ("reasoning", re.compile(r"<(thinking|scratchpad|reasoning)>[\s\S]*?(?:</\1>|\Z)", re.IGNORECASE)),
    ("tool configuration", re.compile(r"^.*\"(?:input_schema|additionalProperties|inputSchema)\"\s*:.*$", re.MULTILINE)),
)
"""Names and patterns of what must not leave in an answer."""

"""What secrets and personal numbers look like.

Every expression runs in linear time: it begins where a run of its characters begins (the lookbehind), takes the run at once without ever
giving back (``++``, ``*+``), and goes on from there in a bounded number of characters. Nearly all have a hint, a plain word without which
there is nothing to look for; searching for it costs next to nothing.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..later import compile_later

Check = Callable[[re.Match[str]], bool]
"""Tells whether what looks like it is it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of thing that must not leave. ``group`` is the part that is replaced; ``hints`` are lower case."""

    kind: str
    """What the mark says: ``[redacted:kind]``."""
    hints: tuple[str, ...]
    expression: re.Pattern[str]
    check: Check | None = None
    group: int = 0
    gate: re.Pattern[str] | None = None
    """Where there is no word to look for: an expression that is quick to tell that there is nothing."""
    begins: bool = False
    """Whether what it finds begins with a hint, so that it need not be tried anywhere else."""
    is_long: bool = False
    """Whether it is found only within ``LONG_RUNS``."""


LONG_RUNS = compile_later(r"[A-Za-z0-9_./:+=-]{18,}+")
"""The only places where a key can be: in most texts few, and searched for scores of hints in their stead."""

_WORD = r"(?<![A-Za-z0-9_-])"
"""Where a token may begin; inside base64 and the like it does not."""
_END = r"(?![A-Za-z0-9])"


def is_random(token: str) -> bool:
    """Tell whether a token has a stretch of letters and digits such as no word or name has."""
    for run in re.findall(r"[A-Za-z0-9]{12,}", token):
        digits = sum(char.isdigit() for char in run)
        if 2 <= digits < len(run) or (digits and not run.islower() and not run.isupper()):
            return True
        if len(run) >= 20 and not run.islower() and not run.isupper() and not run.isdigit():
            return True
    return False


def _is_random_match(match: re.Match[str]) -> bool:
    return is_random(match.group())


# --- keys that say what they are ----------------------------------------------------------------------------------

_KEYS: tuple[tuple[str, str, bool], ...] = (
    # hints, expression after the lookbehind, whether it has to look random
    ("sk-", r"sk-[A-Za-z0-9_-]{16,400}+", True),
    ("sk_live_ sk_test_ sk_prod_", r"sk_(?:live|test|prod)_[A-Za-z0-9]{16,200}+", False),
    ("rk_live_ rk_test_", r"rk_(?:live|test)_[A-Za-z0-9]{16,200}+", False),
    ("whsec_", r"whsec_[A-Za-z0-9+/=_-]{24,120}+", False),
    ("akia", rf"AKIA[A-Z0-9]{{16}}{_END}", False),
    ("asia", rf"ASIA[A-Z0-9]{{16}}{_END}", False),
    ("ghp_ gho_ ghu_ ghs_ ghr_", rf"gh[opusr]_[A-Za-z0-9]{{36,255}}{_END}", False),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}+", False),
    ("xox", r"xox[abceoprs](?:\.xox[abp])?-[A-Za-z0-9-]{10,250}+", True),
    ("xapp-", r"xapp-[0-9]-[A-Za-z0-9-]{20,250}+", False),
    ("glpat- gldt- glrt- glcbt- glptt- glft- glsoat-", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_.-]{20,80}+", False),
    ("aiza", rf"AIza[A-Za-z0-9_-]{{35}}{_END}", False),
    ("gocspx-", r"GOCSPX-[A-Za-z0-9_-]{28,40}+", False),
    ("ya29.", r"ya29\.[A-Za-z0-9_-]{20,2000}+", False),
    ("1//0", r"1//0[A-Za-z0-9_-]{40,200}+", False),
    ("npm_", rf"npm_[A-Za-z0-9]{{36}}{_END}", False),
    ("pypi-", r"pypi-Ag[A-Za-z0-9_-]{50,400}+", False),
    ("rubygems_", rf"rubygems_[a-f0-9]{{48}}{_END}", False),
    ("sg.", r"SG\.[A-Za-z0-9_-]{16,64}+\.[A-Za-z0-9_-]{16,64}+", False),
    ("key-", rf"key-[a-f0-9]{{32}}{_END}", False),
    ("-us", rf"[a-f0-9]{{32}}-us[0-9]{{1,2}}{_END}", False),
    ("sk", rf"SK[a-f0-9]{{32}}{_END}", False),
    ("hf_", rf"hf_[A-Za-z0-9]{{30,60}}{_END}", False),
    ("gsk_", r"gsk_[A-Za-z0-9]{40,80}+", False),
    ("xai-", r"xai-[A-Za-z0-9]{40,120}+", False),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,80}+", False),
    ("r8_", rf"r8_[A-Za-z0-9]{{37,40}}{_END}", False),
    ("nvapi-", r"nvapi-[A-Za-z0-9_-]{50,120}+", False),
    ("tvly-", r"tvly-[A-Za-z0-9-]{20,80}+", False),
    ("fw_", rf"fw_[A-Za-z0-9]{{22,30}}{_END}", True),
    ("lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}", False),
    ("_v1_", rf"do[opr]_v1_[a-f0-9]{{64}}{_END}", False),
    ("shp", rf"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}{_END}", False),
    ("sq0", r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,50}+", False),
    ("dapi", rf"dapi[a-f0-9]{{32}}(?:-[0-9])?{_END}", False),
    ("hv", r"hv[sbr]\.[A-Za-z0-9_-]{24,400}+", False),
    ("figd_", r"figd_[A-Za-z0-9_-]{30,80}+", False),
    ("lin_api_", r"lin_api_[A-Za-z0-9]{32,64}+", False),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,60}+", False),
    ("secret_", rf"secret_[A-Za-z0-9]{{43}}{_END}", True),
    ("pmak-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", False),
    ("nrak-", rf"NRAK-[A-Z0-9]{{27}}{_END}", False),
    ("glsa_", r"glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}", False),
    ("sntry", r"sntry[su]_[A-Za-z0-9+/=_-]{40,400}+", False),
    (".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,80}+", False),
    ("atatt3", r"ATATT3[A-Za-z0-9_=-]{50,300}+", False),
    ("dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,40}+", False),
    ("sbp_", rf"sbp_[a-f0-9]{{40}}{_END}", False),
    ("pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,80}+", False),
    ("age-secret-key-", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", False),
    ("clew_", r"clew_[A-Za-z0-9_-]{24,120}+", True),
    (":aa", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}" + _END, False),
)


def _key(hint: str, tail: str, has_to_look_random: bool) -> Pattern:
    begins = tail.lower().startswith(hint.split()[0][:2]) and hint[0] not in ".-:"
    expression = compile_later(_WORD + tail)
    return Pattern("key", tuple(hint.split()), expression, _is_random_match if has_to_look_random else None, begins=begins, is_long=True)


_DISCORD = Pattern(
    "key",
    (),
    compile_later(_WORD + r"[MNO][A-Za-z0-9_-]{23,27}+\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}+"),
    _is_random_match,
    gate=compile_later(r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}"),
)


_SLACK_HOOK = Pattern(
    "key",
    ("hooks.slack.com/", "discord.com/api/webhooks/", "discordapp.com/api/webhooks/", "webhook.office.com/"),
    compile_later(
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/webhookb2/)"
        r"([A-Za-z0-9/@_-]{20,300}+)"
    ),
    group=1,
    begins=True,
    is_long=True,
)


# --- numbers ------------------------------------------------------------------------------------------------------


def has_luhn(digits: str) -> bool:
    """Tell whether the last digit checks the others, as on payment cards."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_ISSUERS = compile_later(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}|62[0-9]{14,17}|(?:50[0-9]{2}|5[678][0-9]{2}|6304|67[0-9]{2})[0-9]{12}"
)
"""The numbers that the card networks give out, by beginning and length."""

_OF_A_NUMBER = r"[ _-]?(?:number|num|no|nr|id|code|key|ref)"
_NAMES_AN_ID = compile_later(
    r"(?:(?:order|invoice|tracking|ticket|shipment|parcel|booking|reservation|case|reference|request|trace|span|batch|job|build|sku|item"
    rf"|isbn|ean|gtin|imei|serial|waybill|\bid|_id)(?:{_OF_A_NUMBER})?"
    rf"|(?:transaction|account|customer|user|part|message|object|product|event|session|device|thread|call|correlation){_OF_A_NUMBER})"
    r"[\"'\\]{0,3}[.:=#\"'\\ ]{0,6}$",
    re.IGNORECASE,
)


def names_an_id(name: str) -> bool:
    """Tell whether what goes under a name is an identifier, which may look like the number of a card."""
    return _NAMES_AN_ID.search(name[-64:]) is not None


def _is_card(match: re.Match[str]) -> bool:
    found = match.group()
    digits = re.sub(r"[ -]", "", found)
    if not _ISSUERS.fullmatch(digits) or not has_luhn(digits) or len(set(digits)) == 1:
        return False
    before = match.string[max(0, match.start() - 40) : match.start()]
    # Written in one piece after a word for it, it is an order's number; one in ten of these passes the check of cards.
    return not (found.isdigit() and names_an_id(before))


_CARD = Pattern(
    "card",
    (),
    compile_later(
        r"(?<![0-9A-Za-z_.$€£+/-])"
        r"(?:[2-6][0-9]{12,18}+|[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})"
        r"(?![0-9A-Za-z_/]|[.-][0-9])"
    ),
    _is_card,
    gate=compile_later(r"[0-9]{4}[ -]?[0-9]{4,6}[ -]?[0-9]{4,5}"),
)

_SSN = Pattern(
    "ssn",
    (),
    compile_later(r"(?<![0-9A-Za-z_./+-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9A-Za-z_/]|[.-][0-9A-Za-z])"),
    lambda match: len(set(match.group())) > 2,
    gate=compile_later(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"),
)

_NAMED_SSN = Pattern(
    "ssn",
    ("ssn", "social security"),
    compile_later(
        r"(?:ssn|social security(?: number| no\.?)?)[\"'\\]{0,8}[ :=#]{0,3}[\"'\\]{0,8}(?:is |was )?"
        r"((?!000|666|9[0-9]{2})[0-9]{3}[ .]?(?!00)[0-9]{2}[ .]?(?!0000)[0-9]{4})(?![0-9])",
        re.IGNORECASE,
    ),
    group=1,
    begins=True,
)

_NUMBERS = (_CARD, _SSN, _NAMED_SSN)


# --- credentials in their surroundings ----------------------------------------------------------------------------

_JWT = Pattern(
    "jwt",
    ("eyj",),
    compile_later(_WORD + r"eyJ[A-Za-z0-9_-]{8,8192}+(?:\.[A-Za-z0-9_-]{0,65536}+){1,4}"),
    lambda match: match.group().split(".")[1].startswith("eyJ") or match.group().count(".") == 4,
    begins=True,
    is_long=True,
)


def _is_basic(match: re.Match[str]) -> bool:
    token = match.group(1)
    try:
        return b":" in base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


_BASIC = Pattern(
    "authorization",
    ("basic",),
    compile_later(r"\bbasic[ +]{1,2}([A-Za-z0-9+/]{6,1024}+={0,2})", re.IGNORECASE),
    _is_basic,
    1,
    begins=True,
)

_BEARER = Pattern(
    "authorization",
    ("bearer",),
    compile_later(r"\bbearer(?:[ +:=]|%20){1,3}([A-Za-z0-9._~+/-]{12,8192}+={0,3})", re.IGNORECASE),
    lambda match: is_random(match.group(1)) or bool(re.search(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z]).{16}", match.group(1))),
    1,
    begins=True,
)

_STORED_KEY = Pattern(
    "secret",
    ("accountkey=", "sharedaccesskey=", "sig="),
    compile_later(r"(?:AccountKey|SharedAccessKey|\bsig)=([A-Za-z0-9+/%=_-]{20,200}+)", re.IGNORECASE),
    group=1,
    begins=True,
)

_KNOWN_PLACES = (_DISCORD, _SLACK_HOOK, _JWT, _BASIC, _BEARER, _STORED_KEY)

SECRETS: tuple[Pattern, ...] = (*_KNOWN_PLACES, *(_key(*one) for one in _KEYS), *_NUMBERS)
"""Looked for unless redaction is off, in this order. Private keys and assignments are looked for besides."""


# --- personal data ------------------------------------------------------------------------------------------------


def _is_iban(match: re.Match[str]) -> bool:
    text = match.group().replace(" ", "")
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


_EMAIL = Pattern(
    "email",
    ("@", "%40"),
    compile_later(r"(?<![\w.+-])[\w+-][\w.+-]*+(?:@|%40)[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}+"),
    lambda match: len(match.group().rpartition(".")[2]) >= 2 and not match.group().rpartition(".")[2].isdigit(),
)

_IBAN = Pattern(
    "iban",
    (),
    compile_later(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}+|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9])"),
    _is_iban,
    gate=compile_later(r"[A-Z]{2}[0-9]{2}[ A-Z0-9]"),
)

PERSONAL: tuple[Pattern, ...] = (_EMAIL, _IBAN)
"""Looked for besides at the level ``personal``."""

"""Days and times in people's words: "Thursday afternoon", "next week", "12 March at 3 pm New York time", "before Friday"."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal

Part = Literal["morning", "afternoon", "any"]

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}

ZONES = {
    "london": "Europe/London", "new york": "America/New_York", "singapore": "Asia/Singapore", "tokyo": "Asia/Tokyo",
    "berlin": "Europe/Berlin", "paris": "Europe/Paris", "chicago": "America/Chicago", "los angeles": "America/Los_Angeles",
    "sydney": "Australia/Sydney", "hong kong": "Asia/Hong_Kong", "dubai": "Asia/Dubai", "uk": "Europe/London",
    "gmt": "Etc/GMT", "utc": "Etc/UTC", "est": "America/New_York", "edt": "America/New_York", "eastern": "America/New_York",
    "cst": "America/Chicago", "central": "America/Chicago", "pst": "America/Los_Angeles", "pacific": "America/Los_Angeles",
    "cet": "Europe/Berlin", "jst": "Asia/Tokyo", "sgt": "Asia/Singapore",
}  # fmt: skip
"""The clocks that people name, by city or abbreviation."""

_DAY = "|".join(DAYS)
_MONTH = "|".join(f"{name}|{name[:3]}" for name in MONTHS)
_CLOCK = r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.|o'clock)?"
_ISO = r"(\d{4}-\d{2}-\d{2})"
LONGEST = timedelta(days=13)
MOST_AHEAD = 3_650
"""Nobody means more days, or weeks, than this; the calendars say that even so much is too far."""


@dataclass(frozen=True)
class When:
    """A span of days and, within each, what the clock in ``zone`` may show. None is not said."""

    first: date | None = None
    last: date | None = None
    part: Part = "any"
    at: time | None = None
    after: time | None = None
    before: time | None = None
    zone: str | None = None

    @property
    def says_day(self) -> bool:
        """Whether any day was named."""
        return self.first is not None

    @property
    def says_time(self) -> bool:
        """Whether anything about the time of day was said."""
        return self.part != "any" or any((self.at, self.after, self.before))

    def allows(self, clock: time) -> bool:
        """Say whether a time of day fits what was said, an exact time apart."""
        if self.part != "any" and (self.part == "morning") != (clock.hour < 12):
            return False
        return (self.after is None or clock >= self.after) and (self.before is None or clock < self.before)


def read_when(text: str, today: date) -> When:
    """Read what a text says of days and times; today is where "tomorrow" and "Thursday" count from."""
    lower = text.lower()
    first, last = _days(lower, today)
    if last is not None and first is not None and last - first > LONGEST:
        last = first + LONGEST
    at, after, before = _clocks(lower)
    return When(first, last, _part(lower), at, after, before, _zone(text, lower))


Reader = Callable[[str, date], tuple[date, date] | None]


def _days(text: str, today: date) -> tuple[date | None, date | None]:
    for read in (_iso, _calendar_days, _relative_days, _weeks, _weekdays, _soon):
        found = read(text, today)
        if found is not None:
            return found
    return None, None


def _iso(text: str, today: date) -> tuple[date, date] | None:
    found = list(_valid(re.findall(_ISO, text)))
    return (min(found), max(found)) if found else None


def _valid(texts: list[str]) -> Iterator[date]:
    for text in texts:
        try:
            yield date.fromisoformat(text)
        except ValueError:
            continue


def _calendar_days(text: str, today: date) -> tuple[date, date] | None:
    found = []
    for day, month in re.findall(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b", text):
        found.append((int(day), month))
    for month, day in re.findall(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)", text):
        found.append((int(day), month))
    year = re.search(r"\b(20\d\d)\b", text)
    days = [one for day, month in found if (one := _calendar_day(day, month, int(year[1]) if year else None, today))]
    return (min(days), max(days)) if days else None


def _calendar_day(day: int, month: str, year: int | None, today: date) -> date | None:
    number = next(n for n, name in enumerate(MONTHS, 1) if name.startswith(month[:3]))
    try:
        found = date(year or today.year, number, day)
    except ValueError:
        return None
    # Without a year the next such day is meant.
    return found.replace(year=found.year + 1) if year is None and found < today and (number, day) != (2, 29) else found


def _relative_days(text: str, today: date) -> tuple[date, date] | None:
    if "day after tomorrow" in text:
        return _one(today + timedelta(days=2))
    if re.search(r"\b(tomorrow|tmrw)\b", text):
        return _one(today + timedelta(days=1))
    if re.search(r"\byesterday\b", text):
        return _one(today - timedelta(days=1))
    if re.search(r"\b(today|tonight|this (morning|afternoon))\b", text):
        return _one(today)
    found = re.search(r"\bin (\w+) days?\b", text)
    number = _number(found[1]) if found else None
    return _one(today + timedelta(days=number)) if number else None


def _weeks(text: str, today: date) -> tuple[date, date] | None:
    monday = today - timedelta(days=today.weekday())
    found = re.search(r"\bin (\w+) weeks?(?: time)?\b", text)
    ahead = _number(found[1]) if found else None
    if ahead is None and re.search(r"\b(next|following) week\b", text):
        ahead = 1
    if ahead is not None:
        week = monday + timedelta(weeks=ahead)
        within = _named_days(text)
        days = [week + timedelta(days=day) for day in within] or [week, week + timedelta(days=4)]
        return min(days), max(days)
    if re.search(r"\bthis week\b", text) and not _named_days(text):
        return today, max(today, monday + timedelta(days=4))
    if "end of the month" in text:
        last = (today.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        return max(today, last - timedelta(days=5)), last
    return None


def _weekdays(text: str, today: date) -> tuple[date, date] | None:
    days = [today + timedelta(days=(day - today.weekday()) % 7) for day in _named_days(text)]
    if not days:
        return None
    if re.search(rf"\bnext ({_DAY})\b", text):
        # Of next week, whatever is left of this one.
        monday = today - timedelta(days=today.weekday())
        return _one(monday + timedelta(days=7 + days[0].weekday()))
    if re.search(rf"\bbefore ({_DAY})\b", text):
        return today, max(today, days[0] - timedelta(days=1))
    if re.search(rf"\b(by|until) ({_DAY})\b", text):
        return today, days[0]
    if re.search(rf"\bafter ({_DAY})\b", text):
        return days[0] + timedelta(days=1), days[0] + timedelta(days=7)
    return min(days), max(days)


def _named_days(text: str) -> list[int]:
    return [DAYS.index(name) for name in re.findall(rf"\b({_DAY})s?\b", text)]


def _soon(text: str, today: date) -> tuple[date, date] | None:
    is_soon = re.search(r"\b(as soon as possible|asap|earliest|first available|next available|soon|any day|whenever|any time)\b", text)
    return (today, today + timedelta(days=7)) if is_soon else None


def _one(day: date) -> tuple[date, date]:
    return day, day


def _number(word: str) -> int | None:
    return min(int(word[:9]), MOST_AHEAD) if word.isdecimal() else NUMBERS.get(word)


def _clocks(text: str) -> tuple[time | None, time | None, time | None]:
    """Return the exact time, the earliest and the latest that were said."""
    text = re.sub(r"\d{4}-\d{2}-\d{2}(t[\d:+.z-]+)?|\ba\d{5,}\b|\b1\d{4}\b", " ", text).replace("noon", "12:00").replace("midday", "12:00")
    span = re.search(rf"\b(?:between|from) {_CLOCK}\s*(?:and|to|-)\s*{_CLOCK}", text)
    if span:
        late = _clock(span[4], span[5], span[6])
        return None, _clock(span[1], span[2], span[3] or span[6]), late
    after = re.search(rf"\b(?:after|from|not before|no earlier than) {_CLOCK}", text)
    before = re.search(rf"\b(?:before|by|until|no later than) {_CLOCK}", text)
    at = re.search(rf"\b(?:at|@|for|around|about|is|the|,)\s+{_CLOCK}(?!\s*(?:min|hour|h\b|day|week|/|-))", text)
    if at and not (at[2] or at[3]) and not re.search(rf"\b(?:at|@) {_CLOCK}", at[0]):
        at = None
    at = at or re.search(r"\b(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)", text) or re.search(r"\b(\d{1,2}):(\d{2})\b()", text)
    limits = (_clock(*after.groups()) if after else None, _clock(*before.groups()) if before else None)
    return (_clock(*at.groups()) if at and not any(limits) else None, *limits)


def _clock(hour: str, minute: str | None, half: str | None) -> time | None:
    hours, minutes = int(hour), int(minute or 0)
    if half and half.startswith("p") and hours < 12:
        hours += 12
    elif half and half.startswith("a") and hours == 12:
        hours = 0
    elif not (half or "").startswith("a") and hours <= 7 and not hour.startswith("0"):
        # Nobody here means four in the morning.
        hours += 12
    return time(hours, minutes) if hours < 24 and minutes < 60 else None


def _part(text: str) -> Part:
    if re.search(r"\b(morning|first thing)\b", text):
        return "morning"
    return "afternoon" if re.search(r"\b(afternoon|evening|after lunch)\b", text) else "any"


def _zone(text: str, lower: str) -> str | None:
    iana = re.search(r"\b((?:Europe|America|Asia|Australia|Africa|Pacific|Etc)/[A-Za-z_]+)\b", text)
    if iana:
        return iana[1]
    places = "|".join(ZONES)
    named = re.search(rf"\b({places})(?:'s)? time\b", lower) or re.search(
        r"\d\s*(?:am|pm)?\s*(gmt|utc|est|edt|cst|pst|cet|jst|sgt)\b", lower
    )
    return ZONES[named[1]] if named else None

"""Values of a query as they are written: numbers, lengths of time, dates, and keys."""

import calendar
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from mirkit.catalog import MODES, PITCH_CLASSES

_NUMBER = re.compile(r"([-+]?)(\d+\.?\d*|\.\d+)(?:e([-+]?\d{1,3}))?(k?)", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)|(\d+):(\d{1,2}(?:\.\d+)?)", re.ASCII)
_SPOKEN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?)?)?", re.ASCII)
_AGO = re.compile(r"([-+]?)(\d{1,5})(h|d|w|m|y)", re.ASCII | re.IGNORECASE)
_MOST_DIGITS = 40


@dataclass(frozen=True)
class Number:
    """A number, and the decimals with which it was written."""

    value: float
    decimals: int


def read_number(text: str) -> Number:
    """Read a number; ``k`` stands for a thousand.

    Raises
    ------
    ValueError
        It is none; the message completes "must be".

    Examples
    --------
    >>> read_number("-14.50"), read_number("44.1k")
    (Number(value=-14.5, decimals=2), Number(value=44100.0, decimals=-2))
    """
    match = _NUMBER.fullmatch(text) if len(text) <= _MOST_DIGITS else None
    value = float(f"{match[1]}{match[2]}e{match[3] or 0}") * (1000 if match[4] else 1) if match else math.nan
    if match is None or not math.isfinite(value):
        raise ValueError("a number such as 120, a range such as 120..130, or null")
    decimals = max(len(match[2].partition(".")[2]) - int(match[3] or 0), 0)
    return Number(value, decimals - 3 if match[4] else decimals)


def read_duration(text: str) -> Number:
    """Read a length of time: ``200``, ``3:20``, ``1:02:30``, ``3m20s``; in seconds.

    Raises
    ------
    ValueError
        It is none; the message completes "must be".
    """
    if match := _CLOCK.fullmatch(text) if len(text) <= _MOST_DIGITS else None:
        hours, minutes, seconds = (match[1] or "0", match[2] or match[4], match[3] or match[5])
        return Number(int(hours) * 3600 + int(minutes) * 60 + float(seconds), len(seconds.partition(".")[2]))
    if text and len(text) <= _MOST_DIGITS and (match := _SPOKEN.fullmatch(text)):
        hours, minutes, seconds = (part or "0" for part in match.groups())
        decimals = len(seconds.partition(".")[2]) if match[3] else -1 if match[2] else -3
        return Number(int(hours) * 3600 + int(minutes) * 60 + float(seconds), decimals)
    try:
        return read_number(text)
    except ValueError as error:
        raise ValueError("a length such as 200 (seconds), 3:20 or 3m, a range such as 2:30..4:00, or null") from error


@dataclass(frozen=True)
class Span:
    """A period, from its first second to the one after it (seconds since 1970).

    ``is_ago`` tells that it was written as a length of time before now, which as a value of its own means "since then".
    """

    start: float
    end: float
    is_ago: bool = False


def read_date(text: str, now: datetime) -> Span:
    """Read a date: a year, month, day or time of day, ``today``, ``yesterday``, or a time before now such as ``-7d``.

    Parameters
    ----------
    text : str
    now : datetime
        In local time, as all dates.

    Raises
    ------
    ValueError
        It is none; the message completes "must be".

    Examples
    --------
    >>> span = read_date("2026-02", datetime(2026, 11, 30))
    >>> datetime.fromtimestamp(span.end).isoformat()
    '2026-03-01T00:00:00'
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = {"today": midnight, "yesterday": midnight - timedelta(days=1)}.get(text.lower())
    try:
        if day:
            return Span(day.timestamp(), (day + timedelta(days=1)).timestamp())
        if match := _AGO.fullmatch(text):
            before = _shifted(now, int(match[2]), match[3].lower(), 1 if match[1] == "+" else -1)
            return Span(before.timestamp(), before.timestamp(), is_ago=True)
        if match := _DATE.fullmatch(text):
            start, end = _period([int(part) for part in match.groups() if part is not None])
            return Span(start.timestamp(), end.timestamp())
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("a date such as 2026, 2026-11-30, today or -7d (7 days ago; h, d, w, m, y), a range, or null")


def _shifted(now: datetime, count: int, unit: str, sign: int) -> datetime:
    if unit in "hdw":
        return now + sign * count * {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[unit]
    months = now.year * 12 + now.month - 1 + sign * count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def _period(parts: list[int]) -> tuple[datetime, datetime]:
    """Start and end of the year, month, day, hour, minute or second that the parts name."""
    full = [*parts, *[1, 1, 1, 0, 0, 0][len(parts) :]]
    start = datetime(*full)  # type: ignore[arg-type]
    if len(parts) == 1:
        return start, start.replace(year=start.year + 1)
    if len(parts) == 2:
        return start, start + timedelta(days=calendar.monthrange(start.year, start.month)[1])
    return start, start + (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))[
        len(parts) - 3
    ]


_KEY = re.compile(r"([a-g])(#|b|♯|♭)?[\s:_-]*(m|min|minor|maj|major)?|(\d{1,2})([abdm])", re.ASCII | re.IGNORECASE)
_NATURAL = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTAL = {"#": 1, "♯": 1, "b": -1, "♭": -1}


def read_key(text: str) -> tuple[str, str]:
    """Read a key: ``Am``, ``F#``, ``Bb``, ``a minor``, ``8A`` (Camelot) or ``1m`` (Open Key); without mode it is major.

    Returns
    -------
    tonic : str
        One of ``PITCH_CLASSES``.
    mode : str

    Raises
    ------
    ValueError
        It is none; the message completes "must be".

    Examples
    --------
    >>> read_key("Bb"), read_key("g minor"), read_key("8A"), read_key("Cb")
    (('A#', 'major'), ('G', 'minor'), ('A', 'minor'), ('B', 'major'))
    """
    match = _KEY.fullmatch(text.strip()) if len(text) <= _MOST_DIGITS else None
    major, minor = MODES
    if match and match[1]:
        step = _NATURAL[match[1].lower()] + _ACCIDENTAL.get((match[2] or "").lower(), 0)
        written = match[3] or ""
        is_minor = written == "m" or written.lower().startswith("mi")  # CM is C major
        return PITCH_CLASSES[step % 12], minor if is_minor else major
    if match and 1 <= int(match[4]) <= 12:
        number, letter = int(match[4]), match[5].lower()
        is_minor = letter in "am"
        # Camelot counts fifths from B major (1B) and A flat minor (1A), Open Key from C major (1d) and A minor (1m).
        fifths = number - 1 + (0 if letter in "dm" else 5)
        step = 7 * fifths + (9 if is_minor else 0)
        return PITCH_CLASSES[step % 12], minor if is_minor else major
    raise ValueError("a key such as Am, F#, Bb, 8A (Camelot) or null; mode:minor finds all minor keys")

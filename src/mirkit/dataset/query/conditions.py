"""From a parsed query to a condition in SQL, whose values are parameters and never part of the text."""

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mirkit.dataset.query.fields import QueryField, find_field, query_fields
from mirkit.dataset.query.functions import compiled, fold
from mirkit.dataset.query.syntax import And, Node, Not, Query, SortKey, Term, Value
from mirkit.dataset.query.values import Number, Span, read_date, read_duration, read_key, read_number
from mirkit.errors import SettingsError, printable

#: Fields that words without a field are searched in.
WORD_FIELDS = ("path", "artist", "title", "album", "genre")
_MODE = '"mode"'
Parameter: TypeAlias = str | int | float


@dataclass(frozen=True)
class Sql:
    """A piece of SQL and the values of its parameters."""

    text: str
    parameters: tuple[Parameter, ...] = ()


def to_sql(query: Query, now: datetime | None = None) -> Sql:
    """Return the condition of a query, for behind ``WHERE``.

    It uses the functions of :mod:`mirkit.dataset.query.functions`.

    Parameters
    ----------
    query : Query
    now : datetime, optional
        Local time to which times such as ``-7d`` are relative.

    Raises
    ------
    SettingsError
        A field does not exist, or a value does not suit its field.
    """
    if query.condition is None:
        return Sql("1")
    return _node(query.condition, now or datetime.now())


def order_sql(sort: Sequence[SortKey]) -> str:
    """Return the order of a query, for behind ``ORDER BY``; unknown values come last. "" without keys."""
    parts = []
    for key in sort:
        field = find_field(key.field)
        for column in (field.sql, _MODE) if field.kind == "key" else (field.sql,):
            value = f"mirkit_fold({column})" if field.kind == "text" else column
            parts.append(f"{column} IS NULL, {value}{' DESC' if key.descending else ''}")
    return ", ".join(parts)


def fields_in(query: Query) -> set[str]:
    """Names of all fields that the condition of a query names.

    Raises
    ------
    SettingsError
        A field does not exist.
    """

    def of(node: Node | None) -> set[str]:
        if node is None:
            return set()
        if isinstance(node, Term):
            return {find_field(node.field).name} if node.field else set()
        if isinstance(node, Not):
            return of(node.part)
        return {name for part in node.parts for name in of(part)}

    return of(query.condition)


def _node(node: Node, now: datetime) -> Sql:
    if isinstance(node, Term):
        return _term(node, now)
    if isinstance(node, Not):
        part = _node(node.part, now)
        return Sql(f"NOT {part.text}", part.parameters)
    return _joined([_node(part, now) for part in node.parts], " AND " if isinstance(node, And) else " OR ")


def _joined(parts: Sequence[Sql], word: str) -> Sql:
    if len(parts) == 1:
        return parts[0]
    return Sql(f"({word.join(part.text for part in parts)})", tuple(p for part in parts for p in part.parameters))


def _term(term: Term, now: datetime) -> Sql:
    if not term.field and any(value == Value("*") for value in term.values):
        return Sql("1")
    if not term.field:
        known = query_fields()
        texts = " || char(10) || ".join(f"coalesce({known[name].sql}, '')" for name in WORD_FIELDS)
        return _joined([_contains(f"({texts})", value) for value in term.values], " OR ")
    field = find_field(term.field, "Quote a text that has such a sign in it")
    return _joined([_condition(term, field, value, now) for value in term.values], " OR ")


def _condition(term: Term, field: QueryField, value: Value, now: datetime) -> Sql:
    """Return the condition for one value: never NULL, so that a negation finds everything else."""
    column = field.sql
    plain = "" if value.quoted else value.text.lower()
    if plain in ("null", "none", "*") and term.operator in (":", "=", "!="):
        is_null = (plain != "*") == (term.operator != "!=")
        return Sql(f"({column} IS {'' if is_null else 'NOT '}NULL)")
    if term.operator == "!=":
        same = _condition(Term(term.field, "=", term.values), field, value, now)
        return Sql(f"({column} IS NOT NULL AND NOT {same.text})", same.parameters)
    try:
        if field.kind == "text":
            return _of_text(term, column, value)
        if term.operator == "~":
            raise ValueError("compared as a number" if field.kind == "number" else f"compared as a {field.kind}")
        if field.kind == "category":
            return _of_category(term, field, column, value)
        if field.kind == "key":
            return _of_key(term, column, value)
        if field.kind == "date":
            return _within(column, *_dates(term, value, now))
        return _within(column, *_numbers(term, field, value))
    except ValueError as error:
        written = f"{term.field}{term.operator}{value.text[:60]}"
        raise SettingsError(f"{printable(written)}: {field.name} must be {error}") from error


def _within(column: str, low: float | None, high: float | None) -> Sql:
    """Return the condition of a half-open interval, low <= value < high."""
    bounds = [(f"{column} {sign} ?", end) for sign, end in ((">=", low), ("<", high)) if end is not None]
    text = " AND ".join(text for text, _ in bounds)
    return Sql(f"(({text}) IS TRUE)", tuple(end for _, end in bounds))


def _numbers(term: Term, field: QueryField, value: Value) -> tuple[float | None, float | None]:
    """Return the interval, low <= value < high, of a number or a range.

    Numbers are compared as they are shown: 119.996 is shown as 120.0, and is in 120..130.
    """
    read: Callable[[str], Number] = read_duration if field.kind == "duration" else read_number
    switch = {"yes": "1", "true": "1", "no": "0", "false": "0"} if field.unit == "flag" else {}

    def ends(number: Number, least: int | None) -> tuple[float, float]:
        """Return the interval of the numbers that are shown as this one; ``least`` decimals are looked at."""
        if least is None:
            return number.value, math.nextafter(number.value, math.inf)
        step = 0.5 * 10.0 ** -max(number.decimals, least)
        return number.value - step, number.value + step

    text = value.text.strip().lower()
    low_text, dots, high_text = text.partition("..")
    if dots and term.operator in (":", "="):
        low, high = (read(text) if text else None for text in (low_text, high_text))
        if low is None and high is None:
            raise ValueError("a range with a number on one side at least, such as 120..")
        if low and high and low.value > high.value:
            raise ValueError(f"a range from the lower to the higher number: {high_text}..{low_text}")
        return (
            ends(low, field.decimals)[0] if low else None,
            ends(high, field.decimals)[1] if high else None,
        )
    number = read(switch.get(text, text))
    start, end = ends(number, field.decimals)
    if term.operator in (">", ">="):
        return end if term.operator == ">" else start, None
    if term.operator in ("<", "<="):
        return None, start if term.operator == "<" else end
    # A single number finds what rounds to it as it is written; small values are compared to two decimals at least.
    return ends(number, 2 if field.is_share else 0 if field.unit in _WHOLE else number.decimals)


#: Units of whole numbers.
_WHOLE = ("count", "flag", "year")


def _dates(term: Term, value: Value, now: datetime) -> tuple[float | None, float | None]:
    """Return the interval, start <= value < end, of a date or a range of dates (seconds since 1970)."""
    written = value.text.strip()
    first, dots, last = written.partition("..")
    if dots and term.operator in (":", "="):
        start, end = (read_date(text, now) if text else None for text in (first, last))
        if start is None and end is None:
            raise ValueError("a range with a date on one side at least, such as 2026-01..")
        if start and end and start.start > end.end:
            raise ValueError(f"a range from the earlier to the later date: {last}..{first}")
        return start.start if start else None, end.end if end else None
    span: Span = read_date(written, now)
    if term.operator in (">", ">="):
        return span.end if term.operator == ">" else span.start, None
    if term.operator in ("<", "<="):
        return None, span.start if term.operator == "<" else span.end
    return span.start, None if span.is_ago else span.end


def _of_text(term: Term, column: str, value: Value) -> Sql:
    if term.operator == "~":
        try:
            compiled(value.text)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"searched with a regular expression, and this is none ({error})") from error
        return Sql(f"(mirkit_matches(?, {column}) IS TRUE)", (_bindable(value.text),))
    if term.operator == "=":
        return Sql(f"((mirkit_fold({column}) = ?) IS TRUE)", (_bindable(fold(value.text)),))
    if term.operator == ":":
        return _contains(column, value)
    raise ValueError("compared as a text: use : for a part of it, = for all of it, ~ for a regular expression")


def _contains(column: str, value: Value) -> Sql:
    return Sql(f"((instr(mirkit_fold({column}), ?) > 0) IS TRUE)", (_bindable(fold(value.text)),))


def _bindable(text: str) -> str:
    """Return a text without lone surrogates, which SQLite does not take; names are stored in the same way."""
    return text.encode("utf-8", "backslashreplace").decode()


def _of_category(term: Term, field: QueryField, column: str, value: Value) -> Sql:
    if term.operator not in (":", "="):
        raise ValueError(f"one of {', '.join(field.categories)}")
    wanted = value.text.strip().lower()
    chosen = [name for name in field.categories if name.lower() == wanted]
    if not chosen and field.name == "tonic":
        with suppress(ValueError):
            chosen = [read_key(value.text)[0]]
    if not chosen and wanted:
        chosen = [name for name in field.categories if name.lower().startswith(wanted)]
    if len(chosen) != 1:
        raise ValueError(f"one of {', '.join(field.categories)}, or null")
    return Sql(f"(({column} = ?) IS TRUE)", (chosen[0],))


def _of_key(term: Term, column: str, value: Value) -> Sql:
    if term.operator not in (":", "="):
        raise ValueError("compared with : or =, such as key:Am")
    tonic, mode = read_key(value.text)
    return Sql(f"(({column} = ? AND {_MODE} = ?) IS TRUE)", (tonic, mode))

"""The syntax of queries: a text becomes a tree of terms. ``docs/reference/query.md`` explains it to users.

Grammar, in which spaces separate and uppercase words are literal::

    query  = either
    either = all (("OR" | ",") all)*          a comma before a space counts, also behind a word
    all    = part (["AND"] part)*
    part   = ("-" | "^" | "NOT") part | "(" either ")" | "sort:" key ("," key)* | term
    term   = [field operator] value ("," value)*
    value  = quoted in double quotes, or everything up to a space, a comma or a parenthesis that is not balanced

Parsing knows no fields; :mod:`mirkit.dataset.query.conditions` gives the terms their meaning.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mirkit.errors import SettingsError, printable

#: Longest query (characters), most values in it, and deepest nesting.
LONGEST, MOST_VALUES, DEEPEST = 20_000, 500, 50

Operator = Literal[":", "~", "=", "!=", ">", ">=", "<", "<="]


@dataclass(frozen=True)
class Value:
    """One value of a term; in a quoted one, no character has a special meaning."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Term:
    """A condition on a field, which holds if it holds for one of the values.

    Attributes
    ----------
    field : str
        As written; "" for words that are searched in several fields.
    operator : str
    values : tuple of Value
    """

    field: str
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Not:
    """Everything that a part does not find."""

    part: "Node"


@dataclass(frozen=True)
class And:
    """What all parts find."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    """What any part finds."""

    parts: tuple["Node", ...]


Node: TypeAlias = Term | Not | And | Or


@dataclass(frozen=True)
class SortKey:
    """A field to sort by."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """A parsed query.

    Attributes
    ----------
    condition : Node or None
        None finds everything.
    sort : tuple of SortKey
    """

    condition: Node | None = None
    sort: tuple[SortKey, ...] = ()


_QUOTES = {'"': '"', "“": "”"}
#: As written -> operator; longer ones first.
_OPERATORS: dict[str, Operator] = {
    ":>=": ">=",
    ":<=": "<=",
    ":!=": "!=",
    "::": "~",
    ":~": "~",
    ":=": "=",
    ":>": ">",
    ":<": "<",
    ">=": ">=",
    "<=": "<=",
    "!=": "!=",
    "=~": "~",
    "==": "=",
    "=": "=",
    ">": ">",
    "<": "<",
    ":": ":",
}
_FIELD = re.compile(rf"([A-Za-z_][\w-]*)({'|'.join(map(re.escape, _OPERATORS))})", re.ASCII)
_SORT = "sort"


def parse(text: str) -> Query:
    """Parse a query.

    Parameters
    ----------
    text : str

    Returns
    -------
    Query

    Raises
    ------
    SettingsError
        The text is no query; the message names the place.

    Examples
    --------
    >>> parse('artist:"Daft Punk" -bpm:..90').condition
    And(parts=(Term(field='artist', operator=':', values=(Value(text='Daft Punk', quoted=True),)), \
Not(part=Term(field='bpm', operator=':', values=(Value(text='..90', quoted=False),)))))
    """
    if len(text) > LONGEST:
        raise SettingsError(f"the query has {len(text)} characters; the most are {LONGEST}")
    parser = _Parser(text)
    condition = parser.either(0)
    if not parser.at_end():
        raise parser.error("this parenthesis closes none that was opened")
    return Query(condition, tuple(parser.sort))


def parse_sort(text: str) -> tuple[SortKey, ...]:
    """Parse the keys of a sort: ``bpm-,artist`` sorts by falling tempo, then by artist.

    Raises
    ------
    SettingsError
        A key has no name.
    """
    keys = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([-+^]?)([A-Za-z_]\w*(?:-\w+)*)([-+]?)\s*", part, re.ASCII)
        if match is None or (match[1] and match[3]):
            raise SettingsError(
                f"sort: {printable(part)!r} is not the name of a field; write for example sort:bpm, or sort:bpm- for "
                "the highest first"
            )
        keys.append(SortKey(match[2], "-" in (match[1], match[3]) or match[1] == "^"))
    return tuple(keys)


def from_arguments(words: Sequence[str]) -> str:
    """Join the words of a command line to a query; the shell has removed the quotes around them.

    A word with spaces that holds one field at most, such as ``artist:Daft Punk``, is one term. Any other word with
    spaces is a part of the query as it is.
    """
    return " ".join(map(_requoted, words))


def _requoted(word: str) -> str:
    if not re.search(r"\s", word) or re.search(r'["“()]|(?:^|\s)(?:OR|AND|NOT)\s|,(?:\s|$)|\s[-^]\S', word):
        return word
    head = re.match(r"[-^]*", word)
    start = head.end() if head else 0
    field = _FIELD.match(word, start)
    rest = word[field.end() if field else start :]
    if re.search(rf"\s{_FIELD.pattern}", rest, re.ASCII) or (field and field[1] == _SORT):
        return word
    return f'{word[: len(word) - len(rest)]}"{rest}"'


def format_query(query: Query) -> str:
    """Write a query as text that :func:`parse` reads as the same query."""
    parts = [_format(query.condition, 0)] if query.condition else []
    if query.sort:
        keys = ",".join(f"{key.field}{'-' if key.descending else ''}" for key in query.sort)
        parts = [f"({parts[0]})"] if isinstance(query.condition, Or) else parts
        parts.append(f"{_SORT}:{keys}")
    return " ".join(parts)


def _format(node: Node, level: int) -> str:
    if isinstance(node, Term):
        values = ",".join(_format_value(value, node.operator) for value in node.values)
        written = {"~": ":~", ":": ":"}.get(node.operator, node.operator)
        return f"{node.field}{written}{values}" if node.field else values
    if isinstance(node, Not):
        return f"-{_format(node.part, 2)}"
    text = (" OR " if isinstance(node, Or) else " ").join(
        _format(part, 1 if isinstance(node, Or) else 2) for part in node.parts
    )
    return f"({text})" if level > (0 if isinstance(node, Or) else 1) else text


def _format_value(value: Value, operator: Operator) -> str:
    if value.quoted:
        escaped = value.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return value.text.replace('"', '\\"')


class _Parser:
    """Reads a query from the left to the right."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._values = text, 0, 0
        self.sort: list[SortKey] = []

    def error(self, problem: str) -> SettingsError:
        rest = self._text[self._at : self._at + 40]
        place = f"at {printable(rest)!r}" if rest else "at its end"
        return SettingsError(f"the query cannot be read {place}: {problem}")

    def at_end(self) -> bool:
        self._skip()
        return self._at >= len(self._text)

    def either(self, depth: int) -> Node | None:
        """Parse alternatives; None where there is nothing but sort keys."""
        parts = [self._all(depth)]
        while self._take_or():
            parts.append(self._all(depth))
            if parts[-1] is None or parts[0] is None:
                raise self.error("OR needs a term on each side")
        found = [part for part in parts if part is not None]
        return found[0] if len(found) == 1 else Or(tuple(found)) if found else None

    def _all(self, depth: int) -> Node | None:
        parts: list[Node] = []
        needed = ""
        while True:
            if self.at_end() or self._peek(")") or self._is_or():
                if needed:
                    raise self.error(f"{needed} needs a term behind it")
                break
            if self._take_word("AND"):
                needed = "AND"
                continue
            needed = ""
            if (part := self._part(depth)) is not None:
                parts.append(part)
        return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else None

    def _part(self, depth: int) -> Node | None:
        if depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} parentheses and negations lie in each other")
        if self._take_word("NOT") or self._take_sign():
            if self.at_end() or self._peek(")") or self._is_or():
                raise self.error("a negation needs a term behind it")
            if (part := self._part(depth + 1)) is None:
                raise self.error("a sort has no negation; write sort:bpm- to sort downwards")
            return Not(part)
        if self._peek("("):
            self._at += 1
            part = self.either(depth + 1)
            if not self._peek(")"):
                raise self.error("a parenthesis is not closed")
            if part is None:
                raise self.error("there is nothing between the parentheses")
            self._at += 1
            return part
        return self._term(depth)

    def _term(self, depth: int) -> Node | None:
        field = _FIELD.match(self._text, self._at)
        operator: Operator = ":"
        if field:
            operator = _OPERATORS[field[2]]
            self._at = field.end()
        if field and field[1].lower() == _SORT:
            if depth:
                raise self.error("write sort: outside of parentheses and negations")
            start = self._at
            while self._at < len(self._text) and not self._text[self._at].isspace():
                self._at += 1
            self.sort += parse_sort(self._text[start : self._at])
            return None
        values = [self._value(operator)]
        while self._text.startswith(",", self._at) and not self._ends(self._at + 1):
            self._at += 1
            values.append(self._value(operator))
        self._values += len(values)
        if self._values > MOST_VALUES:
            raise SettingsError(f"the query has more than {MOST_VALUES} values")
        if any(not value.text and not value.quoted for value in values):
            raise self.error(f'{field[0] if field else "a term"} has no value; "" is an empty one')
        return Term(field[1] if field else "", operator, tuple(values))

    def _value(self, operator: Operator) -> Value:
        """Read one value; a comma belongs to it where it is a regular expression."""
        text: list[str] = []
        quoted, opened = False, 0
        while self._at < len(self._text):
            character = self._text[self._at]
            if self._text.startswith('\\"', self._at):
                text.append('"')
                self._at += 2
                continue
            if character in _QUOTES:
                text.append(self._quoted(_QUOTES[character]))
                quoted = True
                continue
            if character.isspace() or (character == ")" and not opened):
                break
            if character == "," and (operator != "~" or self._ends(self._at + 1)):
                break
            opened += (character == "(") - (character == ")")
            text.append(character)
            self._at += 1
        return Value("".join(text), quoted)

    def _quoted(self, closing: str) -> str:
        start = self._at
        self._at += 1
        text: list[str] = []
        while self._at < len(self._text):
            if self._text.startswith(('\\"', "\\\\"), self._at):
                text.append(self._text[self._at + 1])
                self._at += 2
                continue
            if self._text[self._at] in (closing, '"'):
                self._at += 1
                return "".join(text)
            text.append(self._text[self._at])
            self._at += 1
        self._at = start
        raise self.error('the quote is not closed; write \\" for a quotation mark itself')

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _ends(self, place: int) -> bool:
        return place >= len(self._text) or self._text[place].isspace() or self._text[place] == ")"

    def _peek(self, character: str) -> bool:
        self._skip()
        return self._text.startswith(character, self._at)

    def _word_at(self, word: str) -> bool:
        self._skip()
        end = self._at + len(word)
        return self._text.startswith(word, self._at) and (self._ends(end) or self._text[end] == "(")

    def _take_word(self, word: str) -> bool:
        if not self._word_at(word):
            return False
        self._at += len(word)
        return True

    def _take_sign(self) -> bool:
        self._skip()
        if self._text[self._at : self._at + 1] not in ("-", "^") or self._ends(self._at + 1):
            return False
        self._at += 1
        return True

    def _is_or(self) -> bool:
        return self._word_at("OR") or self._peek(",")

    def _take_or(self) -> bool:
        return self._take_word("OR") or self._take_comma()

    def _take_comma(self) -> bool:
        if not self._peek(","):
            return False
        self._at += 1
        return True

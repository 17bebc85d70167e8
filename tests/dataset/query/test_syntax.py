"""The syntax of queries: known trees, the same tree after formatting, and hostile texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.dataset.query import Query, format_query, from_arguments, parse
from mirkit.dataset.query.syntax import DEEPEST, LONGEST, MOST_VALUES, And, Node, Not, Or, SortKey, Term, Value
from mirkit.errors import SettingsError


def word(text: str, *, quoted: bool = False) -> Term:
    return Term("", ":", (Value(text, quoted),))


def of(field: str, operator: str, *texts: str) -> Term:
    return Term(field, operator, tuple(Value(text) for text in texts))  # type: ignore[arg-type]


A, B, C = word("a"), word("b"), word("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", None),
        ("   ", None),
        ("a", A),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b c", Or((A, And((B, C))))),
        ("a , b", Or((A, B))),
        ("a, b", Or((A, B))),
        ("(a, b) c", And((Or((A, B)), C))),
        ("-a", Not(A)),
        ("^a", Not(A)),
        ("NOT a b", And((Not(A), B))),
        ("NOT(a b)", Not(And((A, B)))),
        ("--a", Not(Not(A))),
        ("or and not", And((word("or"), word("and"), word("not")))),
        ("ANDROID ORB", And((word("ANDROID"), word("ORB")))),
        ("a,b", Term("", ":", (Value("a"), Value("b")))),
        ("key:Am,F#", of("key", ":", "Am", "F#")),
        ("bpm:120..130", of("bpm", ":", "120..130")),
        ("lufs:-14", of("lufs", ":", "-14")),
        ("-lufs:-14..-9", Not(of("lufs", ":", "-14..-9"))),
        ("bpm>=120 bpm<130", And((of("bpm", ">=", "120"), of("bpm", "<", "130")))),
        ("bpm:>120", of("bpm", ">", "120")),
        ("title:~^(re)?mix{1,2}$", of("title", "~", "^(re)?mix{1,2}$")),
        ("title::x", of("title", "~", "x")),
        ("artist:=Air", of("artist", "=", "Air")),
        ("artist!=Air", of("artist", "!=", "Air")),
        ("duration:3:20..4:00", of("duration", ":", "3:20..4:00")),
        ('"a OR b"', word("a OR b", quoted=True)),
        ('artist:"Earth, Wind & Fire"', Term("artist", ":", (Value("Earth, Wind & Fire", True),))),
        ("artist:“Daft Punk”", Term("artist", ":", (Value("Daft Punk", True),))),
        ('title:12\\" mix', And((of("title", ":", '12"'), word("mix")))),
        ('title:"a\\\\"', Term("title", ":", (Value("a\\", True),))),
        ('title:~"\\d \\"x"', Term("title", "~", (Value('\\d "x', True),))),
        ("title:Don't", of("title", ":", "Don't")),
        ("(title:Live(1999))", of("title", ":", "Live(1999)")),
        ("ключ:x", word("ключ:x")),
    ],
)
def test_known_trees(text: str, tree: Node | None) -> None:
    assert parse(text) == Query(tree)


def test_sort_keys_are_no_conditions() -> None:
    assert parse("a sort:bpm-,artist sort:-key") == Query(
        A, (SortKey("bpm", True), SortKey("artist"), SortKey("key", True))
    )
    assert parse("sort:bpm").condition is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(a", "not closed"),
        ("a)", "closes none"),
        ("()", "nothing between"),
        ("a OR", "OR needs a term on each side"),
        ("OR a", "OR needs a term on each side"),
        (", a", "OR needs a term on each side"),
        ("a,", "OR needs a term on each side"),
        ("a AND", "AND needs a term"),
        ("NOT", "a negation needs a term"),
        ("-(", "not closed"),
        ("artist:", 'artist: has no value; "" is an empty one'),
        ("a,,b", "has no value"),
        ('"a', "the quote is not closed"),
        ("-sort:bpm", "outside of parentheses and negations"),
        ("(a sort:bpm)", "outside of parentheses and negations"),
        ("sort:", "is not the name of a field"),
        ("sort:-bpm-", "is not the name of a field"),
    ],
)
def test_faults_are_named_in_one_line(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEEPEST + 2) + "a" + ")" * (DEEPEST + 2),
        "-" * 5000 + "a",
        "NOT " * 3000 + "a",
        "a " * (MOST_VALUES + 1),
        "a," * MOST_VALUES + "a",
        "x" * (LONGEST + 1),
        "(" * 10_000,
    ],
)
def test_huge_queries_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse(text)


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["artist:Daft Punk", "bpm:120"], 'artist:"Daft Punk" bpm:120'),
        (["-artist:Daft Punk"], '-artist:"Daft Punk"'),
        (["daft punk"], '"daft punk"'),
        (["artist:daft bpm:120..130"], "artist:daft bpm:120..130"),
        (["a OR b"], "a OR b"),
        (["a", ",", "b"], "a , b"),
        (['artist:"Daft Punk" x'], 'artist:"Daft Punk" x'),
        (["artist:Earth, Wind & Fire"], "artist:Earth, Wind & Fire"),
    ],
)
def test_the_shell_has_removed_the_quotes(words: list[str], query: str) -> None:
    assert from_arguments(words) == query


TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from('\\"“” ,()'), max_size=12)
VALUES = st.builds(Value, TEXT, st.just(True)) | st.builds(
    Value, st.sampled_from(["1..2", "-7d", "Am", "x-y", "a(b)c", "null", "*", "'", "1", "é", "%", "_", "--", "ab;"])
)
TERMS = st.builds(
    Term,
    st.sampled_from(["", "bpm", "artist", "no_such"]),
    st.sampled_from([":", "~", "=", "!=", ">", ">=", "<", "<="]),
    st.lists(VALUES, min_size=1, max_size=3).map(tuple),
).filter(lambda term: (term.field or term.operator == ":") and not (term.operator == "~" and len(term.values) > 1))


NODES = st.recursive(
    TERMS,
    lambda inner: (
        inner.map(Not)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts)))
    ),
    max_leaves=8,
)


def _first_is_sign(term: Term) -> bool:
    return not term.field and not term.values[0].quoted and term.values[0].text[0] in "-^"


def terms(node: Node) -> list[Term]:
    if isinstance(node, Term):
        return [node]
    return terms(node.part) if isinstance(node, Not) else [term for part in node.parts for term in terms(part)]


@given(NODES.filter(lambda node: not any(map(_first_is_sign, terms(node)))))
def test_a_formatted_query_is_read_as_the_same(node: Node) -> None:
    query = Query(node, (SortKey("bpm", True),))
    assert parse(format_query(query)) == query


@given(st.text(max_size=80) | st.text('ab:=<>~!-^(),"\\ .*ORNTAD', max_size=40))
def test_any_text_is_a_query_or_one_line(text: str) -> None:
    try:
        query = parse(text)
    except SettingsError as error:
        fault = str(error)
    else:
        fault = "none"
        assert parse(format_query(query)) == query
    assert len(fault.splitlines()) == 1

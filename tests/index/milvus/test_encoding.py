"""How metadata is filed: equal is equal, order is order, and nothing of it can be part of an expression."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from index import filters
from index.milvus import encoding
from index.milvus.expressions import compile_filter
from index.records import kind
from tests.index.test_filters import METADATA, SCALARS, clauses

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, 0.0, -0.0, 2**53, 2.0**53, 2**53 + 1, 2**63 - 1, 2.0**63, 5e-324, -5e-324, 1e308]),
    st.integers(-4, 4).map(lambda off: 2**62 + off),
)


@given(NUMBERS, NUMBERS)
def test_numbers_order_and_equal_exactly(a: float, b: float) -> None:
    one, other = encoding.sortable(a), encoding.sortable(b)
    assert (one < other, one == other) == (a < b, a == b)


@given(st.text(), st.text())
def test_texts_order_by_code_point(a: str, b: str) -> None:
    one, other = encoding.sortable(a), encoding.sortable(b)
    assert (one < other, one == other) == (a < b, a == b)


@given(st.text(), st.text(max_size=3))
def test_a_text_comes_before_whatever_begins_with_it(text: str, more: str) -> None:
    assert (encoding.sortable(text) < encoding.sortable(text + more)) is bool(more)


@given(SCALARS.filter(lambda v: v is not None), SCALARS.filter(lambda v: v is not None))
def test_values_share_a_token_just_if_they_are_equal(a: Any, b: Any) -> None:
    same = kind(a) == kind(b) and a == b
    assert (encoding.value_token("x", a) == encoding.value_token("x", b)) is same
    assert encoding.value_token("x", a) != encoding.value_token("y", a)


@given(METADATA)
def test_what_is_filed_needs_no_escaping_and_does_not_depend_on_the_order_of_fields(metadata: dict[str, Any]) -> None:
    tokens = encoding.tokens(metadata)
    assert tokens == encoding.tokens(dict(reversed(metadata.items())))
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)
    for key, value in encoding.ranges(metadata).items():
        assert re.fullmatch("[0-9a-f]{32}", key)
        assert re.fullmatch("[-0-9A-Z_a-z]*", value)


@given(clauses())
def test_an_expression_has_only_words_of_its_own(clause: dict[str, Any]) -> None:
    expression = compile_filter(filters.parse(clause))
    without_texts = re.sub('"[-0-9A-Z_a-z]*"', "TEXT", expression)
    words = set(re.findall("[A-Za-z_]+", without_texts)) - {"e"}  # 1e+300
    columns = {"added", "duration", "valence", "arousal", "name", "tokens", "ranges"}
    assert words <= columns | {"TEXT", "and", "or", "not", "in", "array_contains", "array_contains_any"}
    assert without_texts.count("(") == without_texts.count(")")


@given(clauses())
def test_not_never_stands_before_what_may_be_missing(clause: dict[str, Any]) -> None:
    expression = compile_filter(filters.parse(clause))
    assert re.findall(r"not (?!array_contains|in \[)", expression) == []

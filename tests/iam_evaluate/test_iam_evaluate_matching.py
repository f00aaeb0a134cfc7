"""Patterns against a plain definition of what they mean, and against hostile values."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.iam.matching import UNKNOWN, Pattern, Variable, Wildcard, tokens_of

LETTERS = "ab:/"
PATTERNS = st.text(alphabet=LETTERS + "*?", max_size=8)
VALUES = st.text(alphabet=LETTERS, max_size=8)


def nothing(name: str) -> None:
    del name


@cache
def by_definition(pattern: str, value: str) -> bool:
    """What a pattern means, said as plainly as can be."""
    if not pattern:
        return not value
    head, rest = pattern[0], pattern[1:]
    if head == "*":
        return by_definition(rest, value) or (bool(value) and by_definition(pattern, value[1:]))
    return bool(value) and head in ("?", value[0]) and by_definition(rest, value[1:])


def by_fields(pattern: str, value: str) -> bool:
    wanted, fields = pattern.split(":", 5), value.split(":", 5)
    return len(fields) == 6 and all(map(by_definition, wanted, fields))


@settings(deadline=None)
@given(PATTERNS, VALUES)
def test_a_text_pattern_means_what_it_says(pattern: str, value: str) -> None:
    assert Pattern(pattern).matches(value, nothing) is by_definition(pattern, value)


FIELD = st.text(alphabet="ab*?", max_size=3)
COMPLETE = st.builds(
    lambda head, last: ":".join(["arn", *head, last]), st.lists(FIELD, min_size=4, max_size=4), PATTERNS
)
PLAIN = st.text(alphabet="ab", max_size=3)
ARNS = st.builds(lambda head, last: ":".join(["arn", *head, last]), st.lists(PLAIN, min_size=4, max_size=4), VALUES)


@settings(deadline=None)
@given(COMPLETE, ARNS | VALUES)
def test_an_arn_pattern_is_matched_field_by_field(pattern: str, value: str) -> None:
    assert Pattern(pattern, arn=True, whole=True).matches(value, nothing) is by_fields(pattern, value)


@settings(deadline=None)
@given(VALUES, st.text(alphabet="ab*?:", max_size=5))
def test_a_variable_is_its_value_as_text(around: str, value: str) -> None:
    found = Pattern(around + "${ex:v}" + around, variables=True)
    assert found.matches(around + value + around, lambda name: value) is True
    assert found.matches(around + value + "x" + around, lambda name: value) is False


@settings(deadline=None)
@given(PATTERNS, VALUES, VALUES)
def test_unknown_is_undecided_or_false_for_a_reason(around: str, value: str, candidate: str) -> None:
    found = Pattern(around + "${ex:v}", variables=True)
    if found.matches(candidate, lambda name: UNKNOWN) is False:
        assert found.matches(candidate, lambda name: value) is False


def test_tokens() -> None:
    assert tokens_of("a*${aws:UserName, 'x y'}?${*}", variables=True) == (
        "a",
        Wildcard.ANY,
        Variable("aws:username", "x y"),
        Wildcard.ONE,
        "*",
    )
    assert tokens_of("${aws:username}*", wildcards=False) == ("${aws:username}*",)
    assert tokens_of("${}", variables=True) == ("${}",)


@pytest.mark.parametrize("arn", [False, True], ids=["text", "arn"])
def test_a_hostile_pattern_takes_linear_time(arn: bool) -> None:
    pattern = Pattern("arn:aws:s3:::" + "*a" * 40 + "b", arn=arn)
    assert pattern.matches("arn:aws:s3:::" + "a" * 20_000, nothing) is False


def test_newlines_are_characters_like_any_other() -> None:
    assert Pattern("a*c").matches("a\nb\nc", nothing) is True
    assert Pattern("abc").matches("abc\n", nothing) is False
    assert Pattern("ab?").matches("ab\n", nothing) is True
    assert Pattern("a?c*d").matches("abcd\n", nothing) is False

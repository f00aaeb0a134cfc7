"""Wildcard patterns, against enumeration of short texts by an independent matcher."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.iam.patterns import (
    EVERYTHING,
    Pattern,
    arn_pattern,
    covers,
    overlaps,
    pattern,
    widest,
    witness,
)

# "z" occurs in no pattern: the character that only wildcards match.
TEXTS = ["".join(chars) for length in range(7) for chars in itertools.product("abz", repeat=length)]
SHORT = st.text("ab?*", max_size=5)


def naive(written: str, text: str) -> bool:
    """Whether a pattern matches, by the definition."""
    if not written:
        return not text
    if written[0] == "*":
        return naive(written[1:], text) or (bool(text) and naive(written, text[1:]))
    return bool(text) and written[0] in ("?", text[0]) and naive(written[1:], text[1:])


def language(written: str) -> set[str]:
    return {text for text in TEXTS if naive(written, text)}


@given(SHORT, st.text("abz", max_size=8))
def test_matches_is_the_definition(written: str, text: str) -> None:
    assert pattern(written).matches(text) == naive(written, text)


@settings(deadline=None)
@given(SHORT, SHORT)
def test_covers_is_inclusion_of_languages(wide: str, narrow: str) -> None:
    counter = witness((pattern(narrow),), (pattern(wide),))
    assert covers(pattern(wide), pattern(narrow)) == (counter is None)
    if counter is None:
        assert language(narrow) <= language(wide)
    else:
        assert naive(narrow, counter)
        assert not naive(wide, counter)


@settings(deadline=None)
@given(SHORT, SHORT)
def test_overlaps_is_intersection_of_languages(one: str, other: str) -> None:
    common = witness((pattern(one), pattern(other)))
    assert overlaps(pattern(one), pattern(other)) == (common is not None)
    if common is None:
        assert not language(one) & language(other)
    else:
        assert naive(one, common)
        assert naive(other, common)


@settings(deadline=None, max_examples=120)
@given(st.lists(SHORT, min_size=1, max_size=3), st.lists(SHORT, max_size=3))
def test_witness_is_exact_for_several_required_and_excluded(required: list[str], excluded: list[str]) -> None:
    found = witness([pattern(each) for each in required], [pattern(each) for each in excluded])
    if found is None:
        left = set.intersection(*map(language, required)) - set().union(*map(language, excluded))
        assert not left
    else:
        assert all(naive(each, found) for each in required)
        assert not any(naive(each, found) for each in excluded)


@settings(deadline=None, max_examples=120)
@given(SHORT, st.lists(st.lists(SHORT, min_size=1, max_size=3), max_size=2), st.lists(SHORT, max_size=2))
def test_witness_is_exact_for_groups_of_which_one_must_match(
    required: str, groups: list[list[str]], excluded: list[str]
) -> None:
    found = witness(
        [pattern(required)],
        [pattern(each) for each in excluded],
        [[pattern(each) for each in group] for group in groups],
    )
    if found is None:
        every = [language(required), *(set().union(*map(language, group)) for group in groups)]
        assert not set.intersection(*every) - set().union(*map(language, excluded))
    else:
        assert naive(required, found)
        assert all(any(naive(each, found) for each in group) for group in groups)
        assert not any(naive(each, found) for each in excluded)


def test_a_union_covers_what_none_of_its_parts_does() -> None:
    assert witness([pattern("a*")], [pattern("a"), pattern("a?"), pattern("a??*")]) is None
    assert witness([pattern("a*")], [pattern("a"), pattern("a??*")]) == "ab"


FIELDS = st.lists(st.text("ab?*", max_size=3), min_size=6, max_size=7).map(":".join)
CONCRETE = st.lists(st.text("abz", max_size=3), min_size=6, max_size=7).map(":".join)


def naive_arn(written: str, text: str) -> bool:
    """By fields; the texts between the last colons belong to the sixth."""
    fields, values = written.split(":", 5), text.split(":", 5)
    return all(
        naive(field, value) and (index == 5 or ":" not in value)
        for index, (field, value) in enumerate(zip(fields, values, strict=True))
    )


@given(FIELDS, CONCRETE)
def test_arn_patterns_match_field_by_field(written: str, text: str) -> None:
    assert arn_pattern(written).matches(text) == naive_arn(written, text)


@settings(deadline=None)
@given(FIELDS, FIELDS)
def test_arn_patterns_are_compared_field_by_field(one: str, other: str) -> None:
    common = witness([arn_pattern(one), arn_pattern(other)])
    by_field = all(
        overlaps(pattern(a), pattern(b)) for a, b in zip(one.split(":", 5), other.split(":", 5), strict=True)
    )
    assert (common is not None) == by_field
    if common is not None:
        assert naive_arn(one, common)
        assert naive_arn(other, common)
    counter = witness([arn_pattern(one)], [arn_pattern(other)])
    assert (counter is None) == all(
        covers(pattern(b), pattern(a)) for a, b in zip(one.split(":", 5), other.split(":", 5), strict=True)
    )
    if counter is not None:
        assert naive_arn(one, counter)
        assert not naive_arn(other, counter)


MATCHES = [
    pytest.param("*", "arn:aws:s3:::b/k", True, id="rule-12-star-is-everything"),
    pytest.param("*", "*", True, id="rule-12-star-matches-no-resource"),
    pytest.param("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", True, id="rule-12-last-field-crosses-slash-and-colon"),
    pytest.param("arn:aws:s3*:b", "arn:aws:s3:eu-west-1:1:b", False, id="rule-12-fields-are-separate"),
    pytest.param("arn:aws:s3", "arn:aws:s3:::b", True, id="rule-12-missing-fields-are-stars"),
    pytest.param("arn:aws:s3:::B", "arn:aws:s3:::b", False, id="rule-12-resources-are-case-sensitive"),
    pytest.param("arn:aws:s3:::b?", "arn:aws:s3:::b", False, id="rule-12-one-character"),
    pytest.param("arn:aws:s3:::b.c", "arn:aws:s3:::bxc", False, id="a-dot-is-a-dot"),
    pytest.param("arn:aws:s3:::b/*", "arn:aws:s3:::b/line\nbreak", True, id="a-line-break-is-a-character"),
    pytest.param("arn:aws:s3:::*", "not an arn", False, id="no-arn"),
]


@pytest.mark.parametrize(("written", "text", "expected"), MATCHES)
def test_arn_pattern_matches(written: str, text: str, expected: bool) -> None:
    assert arn_pattern(written).matches(text) is expected


def test_escapes_are_characters_only_where_variables_are() -> None:
    escaped = pattern("a${*}", escapes=True)
    assert escaped.matches("a*")
    assert not escaped.matches("ab")
    assert pattern("a${*}").matches("a${anything}")
    assert not covers(escaped, pattern("a*"))
    assert covers(pattern("a*"), escaped)


def test_equal_patterns_are_one_object() -> None:
    assert pattern("a**?*") is pattern("a?*")
    assert arn_pattern("arn:aws:s3") is arn_pattern("arn:aws:s3:*:*:*")
    assert arn_pattern("**") is EVERYTHING


def test_widest_keeps_what_no_other_covers() -> None:
    texts = ["arn:aws:s3:::a/b", "arn:aws:s3:::c", "arn:aws:s3:::a/*", "arn:aws:s3:::a/?"]
    assert [str(each) for each in widest(map(arn_pattern, texts))] == ["arn:aws:s3:::c", "arn:aws:s3:::a/*"]


HOSTILE = [
    pytest.param("*a" * 60 + "*", "*b" * 60 + "*", id="many-stars"),
    pytest.param("*a" + "?" * 60, "*" + "b?" * 30, id="wide-window"),
    pytest.param("*a?b" * 30, "*ab??" * 25 + "*", id="stars-and-windows"),
]


@pytest.mark.parametrize(("one", "other"), HOSTILE)
def test_patterns_made_to_be_slow_are_decided(one: str, other: str) -> None:
    """Each finishes at once, or the run stands; what is found is checked by matching."""
    first, second = pattern(one), pattern(other)
    for required, excluded in (([first, second], []), ([first], [second]), ([second], [first])):
        found = witness(required, excluded)
        assert found is None or all(each.matches(found) for each in required)
        assert found is None or not any(each.matches(found) for each in excluded)


def test_matching_does_not_backtrack() -> None:
    assert not pattern("*a" * 100 + "*b").matches("a" * 4000)


def test_a_pattern_shows_what_it_stands_for() -> None:
    shown: Pattern = arn_pattern("arn:aws:s3:::a${*}b*", escapes=True)
    assert str(shown) == "arn:aws:s3:::a${*}b*"
    assert arn_pattern(str(shown), escapes=True) is shown

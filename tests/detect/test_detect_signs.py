"""Signs, by the cases in the rules' own files, and what no single rule says."""

import random
import re
from datetime import timedelta
from typing import Any

import pytest
from detect_kit import BEFORE, DAY, JOHN, T0, event, event_id, facts, facts_of, history
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.detect import called, detections, in_order
from trailwarden.places import Place
from trailwarden.rules import documents
from trailwarden.signs import Amounts, Facts, SignCase, SignRule, history_of, read_list, sign_rules, signs_of
from trailwarden.signs.conduct import DENIED_BURST, RECONNAISSANCE, conduct
from trailwarden.signs.signs import MOST_EVIDENCE, merged

ADMIN = "arn:aws:iam::111111111111:role/Admin"
CASES = {
    f"{rule.id}-{said}-{at}": (rule, case, said == "positive")
    for rule in sign_rules().values()
    for said, cases in (("positive", rule.positive), ("negative", rule.negative))
    for at, case in enumerate(cases)
}


@pytest.mark.parametrize(("rule", "case", "expected"), CASES.values(), ids=CASES)
def test_a_rule_finds_its_positive_cases_and_no_negative_one(rule: SignRule, case: SignCase, expected: bool) -> None:
    found = [each for each in signs_of(facts_of(case)).signs if each.id == rule.id]
    assert len(found) == (1 if expected else 0)
    for sign in found:
        assert 1 <= len(sign.evidence) <= MOST_EVIDENCE
        assert {each.event_id for each in sign.evidence} <= {each.event_id for each in facts_of(case).events}


@pytest.mark.parametrize("rule", sign_rules().values(), ids=lambda rule: rule.id)
def test_a_rule_says_what_it_must(rule: SignRule) -> None:
    assert re.fullmatch(r"T\d{4}(?:\.\d{3})?", rule.technique)
    assert rule.source.startswith("https://")
    assert rule.title
    assert rule.blind_spots
    assert rule.positive
    assert rule.negative
    assert 0 < rule.weight < 1


def test_ids_are_their_files_and_no_detections() -> None:
    for name, content in documents("signs"):
        assert [rule["id"] for rule in content["rules"] if not rule["id"].startswith(f"{name}-")] == []
    assert not set(sign_rules()) & {rule.id for rule in detections()}


def ids(known: Facts) -> set[str]:
    return {each.id for each in signs_of(known).signs}


def test_detections_are_signs_with_their_records() -> None:
    found = signs_of(facts(event(1, "cloudtrail:StopLogging"), event(2, "iam:CreateAccessKey"))).signs
    assert [(each.id, each.family) for each in found] == [
        ("cloudtrail-stopped", "evasion"),
        ("iam-create-access-key", "persistence"),
    ]
    assert [each.evidence[0].event_id for each in found] == [event_id(1), event_id(2)]
    assert found[0].first == found[0].last == T0 + timedelta(seconds=1)


def test_a_burst_is_told_as_one() -> None:
    calls = [event(at, f"ec2:Describe{at}") for at in range(20)]
    (found,) = [each for each in signs_of(facts(*calls)).signs if each.id == "discovery-burst"]
    assert (found.count, found.reason) == (1, "1 burst, beginning with ec2:Describe0")


def test_repetition_adds_no_weight_and_both_records_of_a_call_count_once() -> None:
    once = signs_of(facts(event(1, "iam:CreateUser"))).signs[0]
    often = signs_of(facts(*(event(at, "iam:CreateUser") for at in range(9)))).signs[0]
    twice = signs_of(facts(*(event(at, "iam:CreateUser", shared_event_id="s") for at in range(2)))).signs[0]
    assert (once.weight, once.count) == (often.weight, 1)
    assert (often.count, twice.count) == (9, 1)


RECON = ("iam:ListUsers", "s3:ListBuckets", "kms:ListKeys", "ec2:DescribeInstances")


@given(st.lists(st.tuples(st.sampled_from(["sts:GetCallerIdentity", *RECON, "s3:GetObject"]), st.integers(0, 3600))))
def test_reconnaissance_is_found_exactly_where_it_is(made: list[tuple[str, int]]) -> None:
    calls = in_order(event(at, what, seconds=seconds) for at, (what, seconds) in enumerate(made))

    def follows(place: int) -> set[str | None]:
        later = [each for each in calls[place + 1 :] if each.time - calls[place].time <= timedelta(minutes=15)]
        return {each.name for each in later if called(each) in RECON}

    expected = any(called(each) == "sts:GetCallerIdentity" and len(follows(at)) >= 3 for at, each in enumerate(calls))
    found = conduct(calls, None).get(RECONNAISSANCE, ())
    assert bool(found) is expected
    if found:
        assert found[0].name == "GetCallerIdentity"
        assert {each.name for each in found[1:]} == follows(calls.index(found[0]))


@given(st.lists(st.integers(0, 3600), max_size=60))
def test_a_burst_of_denials_holds_every_call_of_it_once(seconds: list[int]) -> None:
    calls = in_order(event(at, error_code="AccessDenied", seconds=each) for at, each in enumerate(seconds))
    times = [each.time for each in calls]
    inside = {
        each.event_id
        for first in times
        if len(burst := [each for each in calls if timedelta(0) <= each.time - first <= timedelta(minutes=10)]) >= 10
        for each in burst
    }
    found = [each.event_id for each in conduct(calls, None).get(DENIED_BURST, ())]
    assert len(found) == len(set(found))
    assert set(found) == inside


def test_what_the_subject_did_on_three_days_before_counts_half() -> None:
    call = event(1, "iam:CreateUser")
    full, two, three = (
        signs_of(facts(call, history=history(usual={"iam-create-user": days}))).signs[0] for days in (0, 2, 3)
    )
    assert full.weight == two.weight == 2 * three.weight
    assert "3 days before" in three.reason


NOTES: dict[str, tuple[dict[str, Any], str | None]] = {
    "enough": ({}, None),
    "short": ({"history": history(days=Amounts((50, 60)))}, "not enough history: 2 days"),
    "none": ({"history": None, "no_history": "nobody knows whose"}, "nobody knows whose: what is new or unusual"),
    "few-hours": ({"history": history(hours=Amounts((5,)))}, "not enough history for an unusual hour: 1 hour"),
    "no-address": ({"history": history(addresses=frozenset())}, "no public address from"),
    "too-many": ({"history": history(addresses_cut=True)}, "were not judged"),
}


@pytest.mark.parametrize(("known", "said"), NOTES.values(), ids=NOTES)
def test_what_cannot_be_judged_is_said(known: dict[str, Any], said: str | None) -> None:
    notes = signs_of(facts(event(1, source_ip="192.0.2.66"), **known)).notes
    assert notes == () if said is None else any(said in note for note in notes)


def test_unknown_administrators_are_said_only_where_a_role_was_assumed() -> None:
    call = event(1, "sts:AssumeRole", request={"roleArn": ADMIN})
    assert any(ADMIN in note for note in signs_of(facts(call, administrators=None)).notes)
    assert signs_of(facts(event(1), administrators=None)).notes == ()


def test_too_many_addresses_before_make_no_address_new() -> None:
    call = event(1, source_ip="192.0.2.66")
    assert "origin-first-address" in ids(facts(call))
    assert ids(facts(call, history=history(addresses_cut=True))) == set()


def test_a_country_that_only_the_window_knows_is_said_with_the_usual_ones() -> None:
    places = {"203.0.113.10": Place(country="DE"), "192.0.2.66": Place(country="BR", network="Example Hosting")}
    found = signs_of(facts(event(1, source_ip="192.0.2.66"), places=places)).signs
    assert [each.id for each in found] == ["origin-first-country", "origin-first-address"]
    assert "BR (192.0.2.66); before: DE" in found[0].reason


@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_the_order_of_events_and_repeats_change_nothing(shuffle: random.Random, size: int) -> None:
    names = ["sts:GetCallerIdentity", "iam:ListUsers", "s3:ListBuckets", "kms:ListKeys", "iam:CreateUser"]
    calls = [
        event(at, names[at % 5], source_ip=f"192.0.2.{at % 3}", error_code="AccessDenied" if at % 2 else None)
        for at in range(size)
    ]
    mixed = [*calls, *calls[:5]]
    shuffle.shuffle(mixed)
    assert signs_of(facts(*mixed)) == signs_of(facts(*calls))


@given(st.lists(st.integers(1, 10_000), min_size=5, max_size=60))
def test_no_usual_amount_is_unusual(counts: list[int]) -> None:
    amounts = Amounts(tuple(counts))
    assert amounts.threshold >= 49
    assert amounts.threshold >= 2 * amounts.median
    assert sum(1 for each in counts if each > amounts.threshold) <= len(counts) / 2


@pytest.mark.parametrize(("wild", "moves"), [((), 0), ((100_000,), 10)], ids=["calm", "one-wild-day"])
def test_one_wild_day_hardly_moves_what_is_usual(wild: tuple[int, ...], moves: float) -> None:
    calm = Amounts((100, 110, 90, 105, 95, 100))
    assert abs(Amounts((*calm.counts, *wild)).threshold - calm.threshold) <= moves * 10


def test_a_history_counts_the_days_on_which_a_rule_held() -> None:
    sample = [event(day, "iam:CreateUser", seconds=-86_400 * (1 + day // 2)) for day in range(8)]
    sample += [event(100, "sts:AssumeRole", seconds=-500, request={"roleArn": ADMIN})]
    made = history_of(
        BEFORE,
        addresses=["203.0.113.10"],
        addresses_cut=False,
        days={DAY: 4, DAY + timedelta(days=1): 0},
        hours={},
        sample=sample,
        administrators=frozenset({ADMIN}),
    )
    assert made.usual == {"iam-create-user": 4, "conduct-assume-administrator": 1}
    assert made.days == Amounts((4,))
    assert not made.enough


def test_no_request_of_an_attacker_breaks_the_signs() -> None:
    odd: list[Any] = [None, "text", 7, [], {"roleArn": 5}, {"roleArn": {"a": []}}, [[{}]], {"": None}]
    calls = [event(at, "sts:AssumeRole", request=each, source_ip="x" * 300, name=None) for at, each in enumerate(odd)]
    calls += [event(20 + at, "sts:AssumeRole", request=each) for at, each in enumerate(odd)]
    assert ids(facts(*calls, administrators=frozenset({JOHN}))) == set()


def test_signs_of_several_principals_are_merged_by_rule() -> None:
    one = signs_of(facts(event(1, source_ip="192.0.2.66"))).signs
    two = signs_of(facts(event(2, "iam:CreateUser", source_ip="192.0.2.66"))).signs
    found = merged([*one, *two])
    assert [each.id for each in found] == ["iam-create-user", "origin-first-address"]
    address = found[1]
    assert address.count == 2
    assert address.reason.endswith("(and 1 more principal)")
    assert {each.event_id for each in address.evidence} == {event_id(1), event_id(2)}


LISTS: dict[str, tuple[list[str], str, bool, int]] = {
    "address": (["192.0.2.66"], "192.0.2.66", True, 0),
    "network": (["192.0.2.0/24 # lab"], "192.0.2.66", True, 0),
    "host-bits": (["192.0.2.66/24"], "192.0.2.1", True, 0),
    "other": (["192.0.2.0/26"], "192.0.2.66", False, 0),
    "mapped": (["192.0.2.66"], "::ffff:192.0.2.66", True, 0),
    "ipv6": (["2001:db8::/32"], "2001:db8:5::1", True, 0),
    "comment-and-blank": (["# nothing", "", "   "], "192.0.2.66", False, 0),
    "bad": (["192.0.2.300", "tor.example", "192.0.2.66"], "192.0.2.66", True, 2),
    "no-address": (["0.0.0.0/0"], "ec2.amazonaws.com", False, 0),
}


@pytest.mark.parametrize(("lines", "address", "on", "bad"), LISTS.values(), ids=LISTS)
def test_lists(lines: list[str], address: str, on: bool, bad: int) -> None:
    found, said = read_list("mine", lines)
    assert (address in found) is on
    assert sum(note.count("line ") for note in said) == bad
    assert all(note.startswith("list mine: not a network") for note in said)

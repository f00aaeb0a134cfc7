"""What is asked to be done in plain words: every form, and what is refused instead of guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.ask import parse_requests
from trailwarden.ask.names import EVENT_NAME
from trailwarden.ask.requests import EXAMPLES, VERBS
from trailwarden.errors import NotUnderstood

KEY = "AKIAIOSFODNN7EXAMPLE"
ARN = "arn:aws:iam::222222222222:user/ops/john"
ONE, TWO = "i-0abc123def4567890", "i-0abc123def4567891"

UNDERSTOOD: list[tuple[str, list[tuple[str, dict[str, Any]]]]] = [
    (f"Delete john's access key {KEY}", [("delete_access_key", {"access_key_id": KEY})]),
    (f"please delete the access key {KEY} of user john.", [("delete_access_key", {"access_key_id": KEY})]),
    (f"revoke key {KEY}", [("delete_access_key", {"access_key_id": KEY})]),
    (f"Deactivate access key {KEY}", [("delete_access_key", {"access_key_id": KEY})]),
    ("Disable john", [("disable_user", {"user": "john"})]),
    ("disable the IAM user john", [("disable_user", {"user": "john"})]),
    ("Suspend john@company.com", [("disable_user", {"user": "john@company.com"})]),
    (f"Lock {ARN}", [("disable_user", {"user": ARN})]),
    ("Delete user john", [("delete_user", {"user": "john"})]),
    ("Can you remove the IAM user john", [("delete_user", {"user": "john"})]),
    (f"Terminate {ONE}", [("terminate_instances", {"instance_ids": (ONE,)})]),
    (f"kill the EC2 instances {ONE}, {TWO}", [("terminate_instances", {"instance_ids": (ONE, TWO)})]),
    (
        f"Terminate {ONE} and {TWO} with snapshots",
        [("terminate_instances", {"instance_ids": (ONE, TWO), "snapshots": True})],
    ),
    ("Block 185.220.101.1 in WAF", [("block_ip", {"address": "185.220.101.1"})]),
    ("ban the network 2001:db8::/48 on our WAF", [("block_ip", {"address": "2001:db8::/48"})]),
    ("Detach admin policies from role AdminRole", [("detach_admin_policies", {"principal": "role/AdminRole"})]),
    ("Take away administrator rights from john", [("detach_admin_policies", {"principal": "john"})]),
    ("remove the admin access of group ops", [("detach_admin_policies", {"principal": "group/ops"})]),
    ("Revoke the sessions of role AdminRole", [("revoke_sessions", {"role": "AdminRole"})]),
    ("End role AdminRole's sessions", [("revoke_sessions", {"role": "AdminRole"})]),
    (
        f"Disable john and terminate {ONE}",
        [("disable_user", {"user": "john"}), ("terminate_instances", {"instance_ids": (ONE,)})],
    ),
    (
        f"Disable john, then delete key {KEY}, and block 1.2.3.4 with WAF",
        [
            ("disable_user", {"user": "john"}),
            ("delete_access_key", {"access_key_id": KEY}),
            ("block_ip", {"address": "1.2.3.4"}),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_what_is_to_be_done_is_understood(text: str, wanted: list[tuple[str, dict[str, Any]]]) -> None:
    found = parse_requests(text)
    assert found is not None
    assert [(each.action, dict(each.arguments)) for each in found.requests] == wanted


def test_owner_account_and_reason_are_kept() -> None:
    found = parse_requests(f"Delete john's access key {KEY} in account 222222222222 because it leaked in case 4711")
    assert found is not None
    (one,) = found.requests
    assert (one.owner, one.account, found.reason) == ("john", "222222222222", "it leaked in case 4711")


@pytest.mark.parametrize(
    "text",
    [
        "Delete john",  # the user, or a key of theirs?
        "Delete the access key of john",  # which one?
        f"Delete access key {KEY} unless john says no",
        "Disable john and jane's sister",
        "Disable everyone in the group ops",
        "Block 185.220.101.1",  # where?
        "Block everything in WAF",
        f"Terminate {ONE} tomorrow",
        "Terminate i-0abc",  # not an instance's id
        "Detach policies from role AdminRole",
        "Revoke the sessions of john",
        f"Disable john and then show me what {ONE} did",
    ],
)
def test_what_is_not_understood_is_refused_with_examples(text: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        parse_requests(text)
    assert caught.value.suggestions == EXAMPLES


@pytest.mark.parametrize(
    "text",
    [
        "Who deleted anything?",
        "Show me all API calls by john",
        "What did john disable?",
        "john@company.com last 24h",
        "",
    ],
)
def test_a_question_is_no_request(text: str) -> None:
    assert parse_requests(text) is None


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_understood(text: str) -> None:
    assert parse_requests(text) is not None


@given(st.sampled_from(sorted(VERBS)), st.text(max_size=80))
def test_whatever_follows_a_verb_is_understood_whole_or_refused(verb: str, rest: str) -> None:
    """No word is dropped: what is understood names every part of its clauses."""
    try:
        found = parse_requests(f"{verb} {rest}")
    except NotUnderstood:
        return
    if found is not None:
        for each in found.requests:
            for value in each.arguments.values():
                named = value if isinstance(value, tuple) else () if value is True else (value.rsplit("/", 1)[-1],)
                assert all(part in each.clause for part in named)


def test_a_long_question_is_soon_read() -> None:
    assert parse_requests("please " * 100_000 + "who was it") is None
    assert EVENT_NAME.search("GetA" + "A" * 100_000 + "-x") is None
    assert EVENT_NAME.search("who called ListObjectsV2, GetObject") is not None

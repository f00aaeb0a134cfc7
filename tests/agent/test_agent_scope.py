"""Which targets a question concerns: what was written, who is the same, and what AWS recorded of their sessions."""

from datetime import UTC, datetime
from typing import Any

import pytest
from agent_kit import MALLORY, MALLORYS_IP, MALLORYS_KEY, Setting

from trailwarden.agent.question import read_question
from trailwarden.agent.scope import Scope, Ties, is_same, scope_of
from trailwarden.identity import person
from trailwarden.model.directory import AccountDirectory, Alias, Directory, IamUser
from trailwarden.model.proposal import ActionName, Target

ACCOUNT, OTHER = "222222222222", "333333333333"
JOHN, JANE = f"arn:aws:iam::{ACCOUNT}:user/john", f"arn:aws:iam::{ACCOUNT}:user/ops/jane"
KEY, OTHER_KEY = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy/Release"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def user(arn: str, *, owner: str | None = None) -> Target:
    unique = "AIDAJQABLZS4A3QDU576Q"
    return Target(
        kind="iam_user", id=unique, account=arn.split(":")[4], name=arn.rsplit("/", 1)[-1], arn=arn, owner=owner
    )


def key(of: str = JOHN, identifier: str = KEY) -> Target:
    return Target(kind="access_key", id=identifier, account=ACCOUNT, name=of.rsplit("/", 1)[-1], arn=of)


def role(arn: str = ROLE) -> Target:
    return Target(kind="iam_role", id="AROADBQP57FF2AEXAMPLE", account=ACCOUNT, name=arn.rsplit("/", 1)[-1], arn=arn)


def instance(identifier: str = "i-0abc123def4567890") -> Target:
    return Target(kind="ec2_instance", id=identifier, account=ACCOUNT, name="web-7", region="us-east-1")


def address(text: str = "198.51.100.7") -> Target:
    arn = f"arn:aws:wafv2:us-east-1:{ACCOUNT}:regional/ipset/blocked/0000"
    return Target(kind="ip_address", id=f"{arn}#{text}", account=ACCOUNT, name=text, arn=arn)


SAME = Ties(same={JOHN: "same"}, same_keys={KEY: "same"})
TIED = Ties(users={JOHN: "tied"}, keys={KEY: "tied"}, roles={ROLE: "tied"})

CASES: list[tuple[str, str, Ties, ActionName, Target, bool]] = [
    ("a user by name", "disable john", Ties(), "delete_user", user(JOHN), True),
    ("a user by ARN", f"disable {JANE}", Ties(), "delete_user", user(JANE), True),
    ("a user by unique id", "who is AIDAJQABLZS4A3QDU576Q", Ties(), "delete_user", user(JOHN), True),
    ("another user", "disable jane", Ties(), "disable_user", user(JOHN), False),
    ("a part of a name", "disable john.smith", Ties(), "disable_user", user(JOHN), False),
    ("an address is no name", "disable john@company.com", Ties(), "disable_user", user(JOHN), False),
    ("another path", f"disable arn:aws:iam::{ACCOUNT}:user/jane", Ties(), "disable_user", user(JANE), False),
    ("another account", "disable john in account 333333333333", Ties(), "disable_user", user(JOHN), False),
    ("its account", f"disable john in account {ACCOUNT}", Ties(), "disable_user", user(JOHN), True),
    ("an ARN of another account", f"disable arn:aws:iam::{OTHER}:user/john", Ties(), "disable_user", user(JOHN), False),
    ("excluded by name", "disable john. Leave john alone", Ties(), "disable_user", user(JOHN), False),
    ("excluded by owner", "not jane@company.com, but who is john?", Ties(), "disable_user",
     user(JOHN, owner="jane@company.com"), False),
    ("a key by id", f"is {KEY} used", Ties(), "delete_access_key", key(), True),
    ("another key", f"is {OTHER_KEY} used", Ties(), "delete_access_key", key(), False),
    ("a key of the user that is named", "is john's key used", Ties(), "delete_access_key", key(), True),
    ("a key of an excluded user", f"is {KEY} used? Leave john alone", Ties(), "delete_access_key", key(), False),
    ("a role by name", "who was Release", Ties(), "detach_admin_policies", role(), True),
    ("a role by its session", f"who was arn:aws:sts::{ACCOUNT}:assumed-role/Release/x", Ties(), "revoke_sessions",
     role(), True),
    ("a role by a session elsewhere", f"who was arn:aws:sts::{OTHER}:assumed-role/Release/x", Ties(), "revoke_sessions",
     role(), False),
    ("a role that is not named", "what did john do", Ties(), "revoke_sessions", role(), False),
    ("an instance by id", "stop i-0abc123def4567890", Ties(), "terminate_instances", instance(), True),
    ("an instance by its name", "stop web-7", Ties(), "terminate_instances", instance(), False),
    ("an address", "block 198.51.100.7", Ties(), "block_ip", address(), True),
    ("a network around it", "block 198.51.100.7", Ties(), "block_ip", address("198.51.100.0/24"), False),
    ("an address within", "block 198.51.100.0/24", Ties(), "block_ip", address(), True),
    ("an excluded address within", "block 198.51.100.0/24 except 198.51.100.7", Ties(), "block_ip", address(), False),
    ("a network with an excluded address in it", "block 198.51.100.0/24 except 198.51.100.7", Ties(), "block_ip",
     address("198.51.100.0/24"), False),
    ("the same person's user", "x", SAME, "delete_user", user(JOHN), True),
    ("the same person's key", "x", SAME, "delete_access_key", key(), True),
    ("the key of the same person's user", "x", SAME, "delete_access_key", key(identifier=OTHER_KEY), True),
    ("the same person, excluded", "ignore john", SAME, "delete_user", user(JOHN), False),
    ("tied, to disable", "x", TIED, "disable_user", user(JOHN), True),
    ("tied, to delete", "x", TIED, "delete_user", user(JOHN), False),
    ("tied, to take policies away", "x", TIED, "detach_admin_policies", user(JOHN), False),
    ("a tied key", "x", TIED, "delete_access_key", key(), True),
    ("another key of a tied user", "x", TIED, "delete_access_key", key(identifier=OTHER_KEY), False),
    ("a tied role, to end its sessions", "x", TIED, "revoke_sessions", role(), True),
    ("a tied role, to take policies away", "x", TIED, "detach_admin_policies", role(), False),
    ("an instance is never tied", "x", TIED, "terminate_instances", instance(), False),
    ("an address is never tied", "x", TIED, "block_ip", address(), False),
]  # fmt: skip


@pytest.mark.parametrize(("question", "ties", "action", "target", "concerned"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_what_a_question_concerns(
    question: str, ties: Ties, action: ActionName, target: Target, concerned: bool
) -> None:
    ground = Scope(named=read_question(question), ties=ties).ground(action, target)
    assert (ground is not None) is concerned


@pytest.mark.parametrize(
    ("question", "ties", "action", "arguments", "may"),
    [
        ("disable john", Ties(), "disable_user", {"user": "John"}, True),
        ("disable john", Ties(), "disable_user", {"user": JOHN}, True),
        ("disable john", Ties(), "detach_admin_policies", {"principal": "user/john"}, True),
        ("disable john", Ties(), "detach_admin_policies", {"principal": "user/secret/john"}, False),
        ("disable john", Ties(), "disable_user", {"user": "jane"}, False),
        ("disable john", Ties(), "disable_user", {"user": ["john", "jane"]}, False),
        ("disable john", Ties(), "disable_user", {"user": 7}, False),
        ("disable john", Ties(), "disable_user", {}, False),
        ("x", TIED, "disable_user", {"user": "john"}, True),
        ("x", TIED, "delete_access_key", {"access_key_id": KEY}, True),
        ("x", TIED, "delete_access_key", {"access_key_id": OTHER_KEY}, False),
        ("x", TIED, "revoke_sessions", {"role": f"arn:aws:sts::{ACCOUNT}:assumed-role/Release/x"}, True),
        ("who was Release", Ties(), "revoke_sessions", {"role": "Release"}, True),
        ("block 198.51.100.7", Ties(), "block_ip", {"address": "198.51.100.7/32"}, True),
        ("block 198.51.100.7", Ties(), "block_ip", {"address": "0.0.0.0/0"}, False),
        ("block 198.51.100.7", Ties(), "block_ip", {"address": "198.51.100.7 secret"}, False),
        ("stop i-0abc123def4567890", Ties(), "terminate_instances", {"instance_ids": ["i-0abc123def4567890"]}, True),
        (
            "stop i-0abc123def4567890", Ties(), "terminate_instances",
            {"instance_ids": ["i-0abc123def4567890", "i-0abc123def4567891"]}, False,
        ),
        ("stop i-0abc123def4567890", Ties(), "terminate_instances", {"instance_ids": []}, False),
    ],
)  # fmt: skip
def test_what_may_be_looked_up(
    question: str, ties: Ties, action: ActionName, arguments: dict[str, Any], may: bool
) -> None:
    assert Scope(named=read_question(question), ties=ties).may_ask(action, arguments) is may


# ---------------------------------------------------------------- who is the same


def directory(name: str, **tags: str) -> Directory:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    held = IamUser(arn=arn, name=name, id="AIDAJQABLZS4A3QDU576Q", account=ACCOUNT, created=NOW, tags=tags)
    account = AccountDirectory(account=ACCOUNT, taken=NOW, iam_users=(held,), read=("iam_users",))
    return Directory(accounts=(account,))


def listed(kind: str, value: str, account: str | None = None) -> Alias:
    return Alias(person="john@company.com", kind=kind, value=value, account=account, added=NOW, added_by="keeper")


@pytest.mark.parametrize(
    ("asked", "known", "aliases", "same"),
    [
        ("john", directory("john"), (), True),
        ("john@company.com", directory("john@company.com"), (), True),
        ("john@company.com", directory("john", email="john@company.com"), (), True),
        ("john@company.com", directory("backup", email="john@company.com"), (), False),
        ("john@company.com", directory("backup", Owner="john@company.com"), (), False),
        ("john@company.com", directory("backup"), (listed("iam_user_name", "backup"),), True),
        ("john@company.com", directory("backup"), (listed("iam_user_name", "backup", OTHER),), False),
        ("AIDAJQABLZS4A3QDU576Q", directory("backup"), (), True),
    ],
    ids=["its name", "named by the address", "a tag that agrees with the name", "a tag that does not",
         "who is responsible", "the alias list", "the alias list for another account", "its unique id"],
)  # fmt: skip
def test_a_tag_alone_makes_nobody_the_same(
    asked: str, known: Directory, aliases: tuple[Alias, ...], same: bool
) -> None:
    found = person(asked, known, aliases)
    assert any(is_same(each, found, asked, aliases) for each in found.identities) is same


# ---------------------------------------------------------------- of an organisation


def test_a_person_is_their_users_keys_and_roles(setting: Setting) -> None:
    story = setting.up.story
    ties = scope_of(setting.app, f"What did {story.email} do?").ties
    assert set(ties.same) == {story.iam_user_arn}
    assert set(ties.same_keys) == {story.stolen_key, story.current_key}
    assert {story.deploy_role_arn, story.chained_role_arn} <= set(ties.roles)
    assert story.admin_role_arn not in ties.roles  # every attempt to assume it was refused
    assert story.backdoor_user_arn not in {*ties.same, *ties.users}  # made by them, not theirs


def test_a_key_ties_its_user_and_an_address_what_was_used_from_it(setting: Setting) -> None:
    story = setting.up.story
    of_key = scope_of(setting.app, f"Is {story.stolen_key} misused?").ties
    assert set(of_key.users) == {story.iam_user_arn}
    assert of_key.same == {}
    of_address = scope_of(setting.app, f"Who used {story.attacker_ip}?").ties
    assert set(of_address.keys) == {story.stolen_key, story.backdoor_key}
    assert set(of_address.users) == {story.iam_user_arn, story.backdoor_user_arn}


def test_a_network_and_a_shared_address_tie_nothing(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    story = setting.up.story
    network = story.attacker_ip.rsplit(".", 1)[0] + ".0/24"
    assert scope_of(setting.app, f"Who used {network}?").ties == Ties()
    monkeypatch.setattr("trailwarden.agent.scope.MOST_SESSIONS", 1)
    assert scope_of(setting.app, f"Who used {story.attacker_ip}?").ties == Ties()


def test_what_is_in_another_account_is_not_tied(setting: Setting) -> None:
    story = setting.up.story
    ties = scope_of(setting.app, f"What did {story.email} do in account {setting.up.scenario.management.id}?").ties
    assert ties == Ties()


def test_whoever_is_nobody_ties_what_their_sessions_show(setting: Setting) -> None:
    ties = scope_of(setting.app, f"Who used {MALLORYS_IP}?").ties
    assert set(ties.keys) == {MALLORYS_KEY}
    assert set(ties.users) == {f"arn:aws:iam::{ACCOUNT}:user/{MALLORY}"}

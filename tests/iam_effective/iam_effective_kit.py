"""What the tests of effective permissions share: policies in short, and strategies for small ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from trailwarden.iam import Policies
from trailwarden.iam.effective import Permissions, effective

ACCOUNT = "111111111111"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
FULL = {"Effect": "Allow", "Action": "*", "Resource": "*"}

Document = dict[str, Any]


def document(*statements: Mapping[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": [dict(each) for each in statements]}


def allow(action: str | Sequence[str], resource: str | Sequence[str] = "*", **more: Any) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | Sequence[str], resource: str | Sequence[str] = "*", **more: Any) -> Document:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def permissions(
    *identity: Mapping[str, Any],
    boundary: Sequence[Mapping[str, Any]] | None = None,
    scps: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    rcps: Sequence[Mapping[str, Any]] | None = None,
    principal: str = ALICE,
    **more: Any,
) -> Permissions:
    """The permissions of one identity policy of these statements, in a boundary, and SCP levels, of statements."""
    policies = Policies(
        [document(*identity)] if identity else [],
        None if boundary is None else [document(*boundary)],
        scps=None if scps is None else [[document(*level)] for level in scps],
        rcps=None if rcps is None else [[document(*rcps)]],
        management_account=more.pop("management_account", False),
    )
    return effective(policies, principal=principal, **more)


#: Actions and their patterns; ``qx:`` is a service that no catalogue knows.
ACTIONS = ("s3:GetObject", "s3:PutObject", "iam:PassRole", "iam:GetRole", "qx:Do")
ACTION_PATTERNS = ("*", "s3:*", "S3:getobject", "s3:?utObject", "iam:*Role", "iam:PassRole", "qx:*", "qx:Do", "s3:Get*")
RESOURCES = (
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/k",
    "arn:aws:s3:::b/k:1",
    "arn:aws:iam::111111111111:role/a",
    "arn:aws:iam::111111111111:role/b",
)
RESOURCE_PATTERNS = (
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::?/k*",
    "arn:aws:iam::*:role/a",
    "arn:aws:iam::111111111111:role/*",
    "arn:aws:s3",
    "arn:*:*:*:*:*a",
    "arn:aws:s3:::${aws:username}/*",
    "arn:aws:iam::111111111111:role/${aws:PrincipalTag/team}",
)
CONDITIONS: tuple[Document, ...] = (
    {},
    {},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringEquals": {"aws:username": "alice"}},
    {"StringNotEquals": {"aws:username": "alice"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/al*"}, "StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
)


@st.composite
def statements(
    draw: st.DrawFn, *, conditions: bool = True, effects: Sequence[str] = ("Allow", "Allow", "Deny")
) -> Document:
    patterns = RESOURCE_PATTERNS if conditions else tuple(each for each in RESOURCE_PATTERNS if "Tag" not in each)
    statement: Document = {
        "Effect": draw(st.sampled_from(list(effects))),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(st.sampled_from(ACTION_PATTERNS), min_size=1, max_size=3)
        ),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(
            st.lists(st.sampled_from(patterns), min_size=1, max_size=2)
        ),
    }
    if conditions and (condition := draw(st.sampled_from(CONDITIONS))):
        statement["Condition"] = condition
    return statement


def documents(*, conditions: bool = True, max_statements: int = 3) -> st.SearchStrategy[Document]:
    return st.lists(statements(conditions=conditions), max_size=max_statements).map(lambda each: document(*each))


@st.composite
def policy_sets(draw: st.DrawFn, *, conditions: bool = True) -> Policies:
    """Identity policies, perhaps a boundary, a session policy, two levels of SCPs."""
    several = st.lists(documents(conditions=conditions), min_size=1, max_size=2)
    bounded = draw(st.booleans())
    governed = draw(st.booleans())
    return Policies(
        draw(several),
        draw(several) if bounded else None,
        draw(several) if draw(st.booleans()) else None,
        scps=[draw(several), draw(several)] if governed else None,
    )

"""The permissions of response: of one plan, of an action, of the role that is to carry them out; and what it lacks.

Pure. A plan's session policy holds its calls on their resources and nothing else; the least policy of a role is what
its actions declare. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..action import Action, Need
from ..errors import UsageError
from ..iam.effective import Permissions, permissions_in
from ..model.authorization import AuthorizationSnapshot
from ..model.proposal import Call, Plan

#: Characters of a session policy at most. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
SESSION_POLICY_LIMIT = 2048
#: What the published setup page's sample policy allows to respond with.
PUBLISHED_SAMPLE = frozenset(
    {
        "ec2:TerminateInstances",
        "iam:DeleteAccessKey",
        "iam:DeleteLoginProfile",
        "iam:DeleteUser",
        "iam:DetachUserPolicy",
        "iam:RemoveUserFromGroup",
        "iam:UpdateAccessKey",
        "wafv2:UpdateIPSet",
    }
)
#: Calls that another call makes or needs: what a session policy must allow beside it, and on what, if not the same.
_BESIDE: Mapping[str, str] = {"wafv2:UpdateIPSet": "wafv2:GetIPSet", "ec2:CreateSnapshots": "ec2:CreateTags"}
_POLICY_ARN = frozenset(
    f"iam:{verb}{kind}Policy" for verb in ("Attach", "Detach") for kind in ("User", "Role", "Group")
)

_Condition = Mapping[str, Mapping[str, tuple[str, ...]]]


def session_policy(plan: Plan) -> str:
    """The session policy under which a plan is carried out: exactly its calls on their resources, as JSON.

    Raises:
        UsageError: it is longer than AWS takes; the plan has too many targets.
    """
    granted: dict[tuple[str, bytes], list[str]] = {}
    policies: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for step in plan.steps:
        if step.call.api in _POLICY_ARN:  # one statement for all policies of a holder: IAM takes few characters
            held = policies.setdefault((step.call.api, step.call.resources), [])
            held.append(str(step.call.params["PolicyArn"]))
            continue
        for action, condition in _permissions(step.call):
            held = granted.setdefault((action, msgspec.json.encode(condition)), [])
            held += [each for each in step.call.resources if each not in held]
    for (action, resources), arns in policies.items():
        condition = {"ArnEquals": {"iam:PolicyARN": tuple(arns)}}
        held = granted.setdefault((action, msgspec.json.encode(condition)), [])
        held += [each for each in resources if each not in held]
    text = msgspec.json.encode(_document(granted)).decode()
    if len(text) > SESSION_POLICY_LIMIT:
        raise UsageError(
            f"the plan's session policy has {len(text):,} characters, and AWS takes {SESSION_POLICY_LIMIT:,}",
            remedy="propose it for fewer targets at a time",
        )
    return text


def least_policy(kinds: Iterable[type[Action]], *, partition: str, account: str, reads: bool = True) -> dict[str, Any]:
    """The least policy of a role that carries out these actions: their calls, and (``reads``) what planning and reading
    back take, on the resources that they declare. ``account`` may be ``*``."""
    granted: dict[tuple[str, bytes], list[str]] = {}
    for need in sorted(_needs(kinds, reads=reads), key=lambda each: each.action):
        condition = {
            operator: {
                key: tuple(_placed(value, partition, account) for value in values) for key, values in keys.items()
            }
            for operator, keys in need.condition.items()
        }
        held = granted.setdefault((need.action, msgspec.json.encode(condition)), [])
        resources = (_placed(each, partition, account) for each in need.resources)
        held += [each for each in resources if each not in held]
    return _document(granted)


def lacking_in_published_sample(kinds: Iterable[type[Action]]) -> dict[str, tuple[str, ...]]:
    """By action, the permissions of its steps that the published sample policy does not have."""
    found = {kind.name: tuple(sorted({need.action for need in kind.writes} - PUBLISHED_SAMPLE)) for kind in kinds}
    return {name: lacking for name, lacking in found.items() if lacking}


def missing_permissions(plan: Plan, snapshot: AuthorizationSnapshot, role_arn: str) -> tuple[str, ...]:
    """The calls of a plan that the respond role may not make on the plan's own resources, by its effective permissions:
    policies, boundary and SCPs as last read. A call that is allowed under conditions only counts as allowed.

    Raises:
        UsageError: the snapshot does not hold the role.
    """
    permissions = _of_role(snapshot, role_arn)
    lacking = {
        action
        for step in plan.steps
        for action, _ in _permissions(step.call)
        for resource in step.call.resources
        if not permissions.allows(action, resource, given=_given(step.call)).possible
    }
    return tuple(sorted(lacking))


def lacking_for_action(kind: type[Action], snapshot: AuthorizationSnapshot, role_arn: str) -> tuple[str, ...]:
    """What a role lacks for the steps of an action, on any resource that the action declares. Raises as
    ``missing_permissions``."""
    permissions = _of_role(snapshot, role_arn)
    partition, account = role_arn.split(":")[1], role_arn.split(":")[4]
    return tuple(
        sorted(
            {
                need.action
                for need in kind.writes
                if not any(
                    permissions.allows(
                        need.action, _placed(each, partition, account), given=_condition_keys(need, partition, account)
                    ).possible
                    for each in need.resources
                )
            }
        )
    )


def _of_role(snapshot: AuthorizationSnapshot, role_arn: str) -> Permissions:
    found = permissions_in(snapshot)
    if role_arn not in found:
        raise UsageError(
            f"{role_arn} was not there when IAM was read", remedy="read it again: `trailwarden iam scan --refresh`"
        )
    return found[role_arn]


def _needs(kinds: Iterable[type[Action]], *, reads: bool) -> Iterable[Need]:
    for kind in kinds:
        yield from kind.writes
        if reads:
            yield from kind.reads


def _permissions(call: Call) -> Iterable[tuple[str, _Condition]]:
    """What a call takes: its own permission, with the policy that it may attach or detach, and what it makes beside."""
    action = call.api
    if action in _POLICY_ARN:
        yield action, {"ArnEquals": {"iam:PolicyARN": (str(call.params["PolicyArn"]),)}}
        return
    yield action, {}
    beside = _BESIDE.get(action)
    if beside == "ec2:CreateTags":
        if call.params.get("TagSpecifications"):
            yield beside, {"StringEquals": {"ec2:CreateAction": ("CreateSnapshots",)}}
    elif beside is not None:
        yield beside, {}


def _given(call: Call) -> Mapping[str, str]:
    if call.api in _POLICY_ARN:
        return {"iam:PolicyARN": str(call.params["PolicyArn"])}
    if call.api == "ec2:CreateSnapshots":
        return {"ec2:CreateAction": "CreateSnapshots"}
    return {}


def _condition_keys(need: Need, partition: str, account: str) -> Mapping[str, str]:
    """The condition keys that a need names, with its first value: a role that is allowed under them is allowed."""
    return {
        key: _placed(values[0], partition, account) for keys in need.condition.values() for key, values in keys.items()
    }


def _placed(text: str, partition: str, account: str) -> str:
    return text.replace("{partition}", partition).replace("{account}", account)


def _document(granted: Mapping[tuple[str, bytes], Sequence[str]]) -> dict[str, Any]:
    """Statements, actions with equal resources and condition in one."""
    grouped: dict[tuple[tuple[str, ...], bytes], list[str]] = {}
    for (action, condition), resources in granted.items():
        grouped.setdefault((tuple(resources), condition), []).append(action)
    statements = []
    for (resources, condition), actions in grouped.items():
        statement: dict[str, Any] = {"Effect": "Allow", "Action": _one(actions), "Resource": _one(resources)}
        if decoded := msgspec.json.decode(condition):
            statement["Condition"] = {
                operator: {key: _one(values) for key, values in keys.items()} for operator, keys in decoded.items()
            }
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def _one(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)

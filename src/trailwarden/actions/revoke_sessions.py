"""Revoke the sessions of a role that have been issued so far.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from ..action import Action, Need, Planned, Refused, World, steps_of
from ..effects import NOW
from ..errors import UsageError
from ..guardrails import Guard
from ..model.policy import Policy, PolicyError, PolicySource, parse_policy
from ..model.proposal import BlastItem, Plan
from ..model.time import format_instant, parse_event_time
from ._admin import Principal, find_principal, is_administrator, resources
from ._users import document_text, json_of, naming

#: The name under which the IAM console writes the same.
POLICY = "AWSRevokeOlderSessions"
_SID = re.compile(r"RevokeOlderSessions([1-9]\d{0,8})", re.ASCII)
#: What a role's inline policies may hold together; white space does not count.
_INLINE_LIMIT = 10_240
#: As long as the time that is filled in can be.
_A_TIME = "2026-01-01T00:00:00.000000Z"


class RevokeSessions(Action, frozen=True, kw_only=True):
    """Deny everything to the sessions of a role that were issued before now, whoever holds them.

    Sessions that are issued later are not touched: who may assume the role can do so again.
    """

    name = "revoke_sessions"
    title = "Revoke a role's sessions"
    reads = tuple(
        Need(action=f"iam:{api}", resources=resources("Role"))
        for api in ("GetRole", "ListRolePolicies", "GetRolePolicy", "ListInstanceProfilesForRole")
    )
    writes = (
        Need(action="iam:PutRolePolicy", resources=resources("Role")),
        Need(action="iam:DeleteRolePolicy", resources=resources("Role"), when="to undo it"),
    )
    reversible = True
    examples = ("role=Deploy", "role=arn:aws:iam::111111111111:role/Deploy")

    role: Annotated[
        str,
        Meta(description="The role's name or ARN, or the ARN of one of its sessions.", min_length=1, max_length=2048),
    ]

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        role = _role(world, self.role)
        why = guard.principal(role.arn, role.tags)
        if why is not None:
            raise Refused(why, remedy="who assumes it must be stopped where they sign in, or by the service itself")
        if not guard.revoke_sessions:
            raise Refused(
                "iam:PutRolePolicy, which this takes, is as good as administrator access: the setting "
                "respond.revoke_sessions is off",
                remedy=f"an administrator runs (sessions issued after the time in it go on): {_command(world, role)}",
            )
        inline = _inline(world, role)
        former = inline.get(POLICY)
        _still_wanted(world, role, former)
        _fits(role, inline)
        document = _document(NOW, _sid(former))
        undo = (
            role.call("iam:DeleteRolePolicy", PolicyName=POLICY)
            if former is None
            else role.call("iam:PutRolePolicy", PolicyName=POLICY, PolicyDocument=document_text(former))
        )
        put = role.call("iam:PutRolePolicy", PolicyName=POLICY, PolicyDocument=document)
        return Planned(
            plan=Plan(
                action="revoke_sessions",
                account=world.account,
                targets=(role.target(world.account),),
                steps=steps_of((put, f"deny everything to sessions of {role.name} issued before now", undo)),
                pre_state={"arn": role.arn, "former": None if former is None else document_text(former)},
                export={} if former is None else {"inline_policies": {POLICY: former}},
            ),
            arguments={"role": role.arn},
            blast_radius=tuple(_hit(world, role, former)),
            administrator=is_administrator(world.authorization(), role),
            notes=(
                f"cut the trust of {role.name} first, for as long as it lets whoever attacked assume it again",
                "IAM takes seconds, at times minutes, until a change holds in every Region",
                "undone before they have ended, after 12 hours at most, the revoked sessions are let in again",
            ),
        )


def _role(world: World, text: str) -> Principal:
    role = find_principal(world, text if text.startswith(("arn:", "role/")) else f"role/{text}")
    if role.kind != "Role":
        raise UsageError(f"{role.name} is no role", remedy="a user's access: disable_user")
    return role


def _document(time: str, sid: str | None) -> str:
    """The console's policy: everything is denied to sessions issued before a time. The console gives it no Sid."""
    condition = {"DateLessThan": {"aws:TokenIssueTime": time}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    named = statement if sid is None else {"Sid": sid, **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [named]}, separators=(",", ":"))


def _sid(former: Any) -> str:
    """A Sid that the policy there has not: by it, one that was written is told from the one that it replaces."""
    match = _SID.fullmatch(str(_statement(former).get("Sid")))
    return f"RevokeOlderSessions{int(match[1]) + 1 if match else 1}"


def _statement(former: Any) -> Mapping[str, Any]:
    """The one statement of a document; empty if it has not exactly one."""
    statements = former.get("Statement") if isinstance(former, Mapping) else None
    if isinstance(statements, list) and len(statements) == 1 and isinstance(statements[0], Mapping):
        return statements[0]
    return {}


def _command(world: World, role: Principal) -> str:
    """The command that does the same, for a POSIX shell."""
    document = _document(format_instant(world.now.replace(microsecond=0)), None)
    words = ["aws", "iam", "put-role-policy", "--role-name", role.name, "--policy-name", POLICY]
    return shlex.join([*words, "--policy-document", document])


def _inline(world: World, role: Principal) -> Mapping[str, Any]:
    names = sorted(world.items("iam:ListRolePolicies", "PolicyNames", RoleName=role.name))
    return {
        name: json_of(world.call("iam:GetRolePolicy", RoleName=role.name, PolicyName=name)["PolicyDocument"])
        for name in names
    }


def _still_wanted(world: World, role: Principal, former: Any) -> None:
    """Let a policy be that revokes more than this would."""
    until = None if former is None else _revoked_until(former)
    if until is not None and until >= world.now:
        raise Refused(
            f"{POLICY} of {role.name} already denies everything to sessions issued before {format_instant(until)}, "
            "which is still to come",
            remedy="nothing is to be done: replacing it would let new sessions in sooner",
        )


def _revoked_until(former: Any) -> datetime | None:
    """The time before which sessions are revoked by a document of this form; None for any other document."""
    statement = _statement(former)
    try:
        time = statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    except (KeyError, TypeError):
        return None
    if not isinstance(time, str) or json.loads(_document(time, statement.get("Sid"))) != former:
        return None
    return parse_event_time(time)


def _fits(role: Principal, inline: Mapping[str, Any]) -> None:
    texts = {name: document_text(document) for name, document in inline.items()}
    texts[POLICY] = _document(_A_TIME, _sid(inline.get(POLICY)))
    used = sum(len(re.sub(r"\s", "", text)) for text in texts.values())
    if used > _INLINE_LIMIT:
        raise Refused(
            f"the inline policies of {role.name} would have {used} characters, and a role's may have {_INLINE_LIMIT}",
            remedy="move one of them into a managed policy, and propose this again",
        )


# --- what it hits ---------------------------------------------------------------------------------------------------


def _hit(world: World, role: Principal, former: Any) -> Iterator[BlastItem]:
    used = role.read.get("RoleLastUsed") or {}
    if used.get("LastUsedDate"):
        text = f"{role.name} was last used at {used['LastUsedDate']} in {used.get('Region')}"
        yield BlastItem(kind="last_used", text=text)
    text = f"every session of {role.name} issued before now can do nothing any more, whoever holds it"
    yield BlastItem(kind="sessions", text=text, grave=True)
    profiles = [
        str(each["Arn"])
        for each in world.items("iam:ListInstanceProfilesForRole", "InstanceProfiles", RoleName=role.name)
    ]
    if profiles:
        text = f"instances with {', '.join(sorted(profiles))} can do nothing until their credentials are renewed"
        yield BlastItem(kind="dependents", text=text, grave=True)
    yield from _trusted(role)
    roles, _ = naming(world.authorization(), role.arn)
    if roles:
        text = f"sessions of roles that were assumed from {role.name} go on; these trust it by name: {', '.join(roles)}"
        yield BlastItem(kind="remains", text=text)
    if former is not None:
        until = _revoked_until(former)
        what = "other statements than this action writes" if until is None else f"the time {format_instant(until)}"
        text = f"{POLICY} is there already, with {what}: it is replaced, and put back by the undo"
        yield BlastItem(kind="references", text=text, grave=until is None)


def _trusted(role: Principal) -> Iterator[BlastItem]:
    """What follows from who may assume the role."""
    try:
        source = PolicySource(kind="trust", name=role.name, holder=role.arn)
        trust = parse_policy(role.read["AssumeRolePolicyDocument"], source=source)
    except PolicyError as error:
        text = f"who may assume {role.name} again cannot be told: {error.message}"
        yield BlastItem(kind="remains", text=text, grave=True)
        return
    services, others = _allowed(trust)
    if services:
        text = f"what {', '.join(services)} runs as {role.name} fails until it has new credentials"
        yield BlastItem(kind="dependents", text=text, grave=True)
    if others:
        text = (
            f"its trust still lets {', '.join(others)} assume {role.name} anew, where their own policies do: "
            "fix that first"
        )
        yield BlastItem(kind="remains", text=text, grave=True)


def _allowed(trust: Policy) -> tuple[list[str], list[str]]:
    """The services and the others that a trust policy lets in, sorted."""
    services, others = set(), set()
    for statement in trust.statements:
        if statement.effect != "Allow":
            continue
        if statement.not_principals is not None:
            others.add(f"everybody but {', '.join(map(str, statement.not_principals))}")
        for each in statement.principals or ():
            if each.type == "Service":
                services.add(each.value)
            else:
                others.add("everybody" if each.value == "*" else str(each))
    return sorted(services), sorted(others)

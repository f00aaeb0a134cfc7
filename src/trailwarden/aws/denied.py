"""Why AWS refused to let a role be assumed.

AWS answers alike when the role does not exist, when its trust policy does not name the caller, and when the External
ID is another: nobody is to learn which roles an account has. Only a second view into the account tells the three apart:
credentials of one's own there, another connection, or being in that account oneself. Without one, nothing is guessed.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..errors import AccessDenied, AwsError, NotFound, TrailwardenError
from .broker import AwsSession, Broker, CallerIdentity
from .connection import Connection
from .diagnosis import Cause, Check, evidence_of
from .errors import Denial, PolicyKind, aws_errors, parse_denial
from .trustcheck import TrustReading, read_trust

_TITLE = "The role can be assumed"
#: Policies on the caller's own side -> the cause, and what to do.
_OWN_SIDE: Mapping[PolicyKind, tuple[Cause, str]] = {
    "identity": ("own_policy", "allow sts:AssumeRole on {role} in a policy attached to {caller}"),
    "boundary": ("own_boundary", "the permissions boundary of {caller} must allow sts:AssumeRole on {role}"),
    "session": (
        "own_session_policy",
        "{caller} runs with a session policy that leaves sts:AssumeRole out: start it anew",
    ),
    "scp": ("scp", "ask who manages the organisation of {account} to let {caller} call sts:AssumeRole on {role}"),
    "rcp": ("rcp", "ask who manages the organisation of the role's account to let {caller} assume {role}"),
    "vpce": ("vpc_endpoint_policy", "allow sts:AssumeRole on {role} in the policy of the VPC endpoint for STS"),
}


class SecondView(msgspec.Struct, frozen=True):
    """A way to look into the role's account other than the role. ``by`` says whose."""

    session: AwsSession
    by: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One refused AssumeRole: who tried, which role, what AWS said, and the External ID that was sent."""

    broker: Broker
    connection: Connection
    caller: CallerIdentity
    error: AccessDenied
    external_id: str
    second_view: AwsSession | None

    def check(self, cause: Cause, detail: str, remedy: str, **evidence: str) -> Check:
        """The failed check, with AWS's answer as evidence."""
        return Check(
            id="assume_role",
            title=_TITLE,
            status="failed",
            detail=detail,
            remedy=remedy,
            cause=cause,
            evidence={**evidence_of(self.error), **evidence},
        )


def explain_denied(refused: Refused) -> Check:
    """The cause of a refused AssumeRole, as exactly as AWS and the views into the account allow."""
    denial = parse_denial(refused.error.message)
    if denial.policy is not None and denial.policy in _OWN_SIDE:
        return _own_side(refused, denial.policy, denial, "AWS says so")
    unusable: list[str] = []
    for view in _second_views(refused, unusable):
        try:
            return _seen(refused, view)
        except AwsError as error:
            unusable.append(f"{view.by}: {error.message}")
    simulated = _own_side_by_simulation(refused)
    return simulated or _indistinct(refused, unusable)


def _own_side(refused: Refused, kind: PolicyKind, denial: Denial, source: str) -> Check:
    cause, remedy = _OWN_SIDE[kind]
    how = "denies it explicitly" if denial.explicit else "does not allow it"
    names = {
        "identity": "a policy of this installation's own principal",
        "boundary": "the permissions boundary of this installation's own principal",
        "session": "the session policy of this installation's own session",
        "scp": "a service control policy",
        "rcp": "a resource control policy",
        "vpce": "the VPC endpoint's policy",
    }
    policy = f" ({denial.policy_arn})" if denial.policy_arn else ""
    return refused.check(
        cause,
        f"{names[kind]}{policy} {how}: {source}",
        remedy.format(
            role=refused.connection.role_arn, caller=refused.caller.principal_arn, account=refused.caller.account
        ),
    )


def _second_views(refused: Refused, unusable: list[str]) -> Iterator[SecondView]:
    """The views into the role's account that there are, the most certain first; the others say why not."""
    account = refused.connection.account_id
    if refused.second_view is not None:
        try:
            seen = refused.second_view.identity()
        except AwsError as error:
            unusable.append(f"the given credentials: {error.message}")
        else:
            if seen.account == account:
                yield SecondView(refused.second_view, f"the given credentials ({seen.arn})")
            else:
                unusable.append(f"the given credentials are of account {seen.account}, not {account}")
    if refused.caller.account == account:
        yield SecondView(refused.broker.own(), "this installation's own principal, which is in that account")
    for other in refused.broker.connections.list():
        if other.account_id == account and other.id != refused.connection.id:
            try:
                yield SecondView(refused.broker.session(other), f"the connection {other.role_arn}")
            except TrailwardenError as error:
                unusable.append(f"the connection {other.role_arn}: {error.message}")


def _seen(refused: Refused, view: SecondView) -> Check:
    """The exact cause, as the view shows it. Raises AwsError if the view may not look."""
    role = _get_role(refused, view)
    if role is None:
        return _role_missing(refused, view)
    if role["Arn"] != refused.connection.role_arn:
        return refused.check(
            "role_path",
            f"the role's ARN is {role['Arn']}, not {refused.connection.role_arn}: a role's path is part of its ARN",
            f"connect {role['Arn']} instead",
            seen_by=view.by,
        )
    reading = read_trust(role["AssumeRolePolicyDocument"], refused.caller, refused.external_id)
    return explain_trust(refused, reading, view.by) or (
        _own_side_by_simulation(refused)
        or refused.check(
            "own_policy",
            "the trust policy lets this installation in, so that the refusal is on this side: its own policies, "
            "its permissions boundary or a service control policy; or a change that AWS has not yet spread",
            f"allow sts:AssumeRole on {refused.connection.role_arn} in a policy attached to "
            f"{refused.caller.principal_arn}; after a change, wait a minute and repeat",
            seen_by=view.by,
        )
    )


def _get_role(refused: Refused, view: SecondView) -> Mapping[str, Any] | None:
    client = view.session.client("iam")
    try:
        with aws_errors("iam:GetRole", account=refused.connection.account_id):
            role: Mapping[str, Any] = client.get_role(RoleName=refused.connection.role_name)["Role"]
    except NotFound:
        return None
    return role


def _role_missing(refused: Refused, view: SecondView) -> Check:
    connection, names = refused.connection, []
    client = view.session.client("iam")
    try:
        with aws_errors("iam:ListRoles", account=connection.account_id):
            names = [
                role["RoleName"] for page in client.get_paginator("list_roles").paginate() for role in page["Roles"]
            ]
    except AccessDenied:
        names = []  # only the suggestion is lost
    near = difflib.get_close_matches(connection.role_name, names, n=3, cutoff=0.6)
    return refused.check(
        "role_missing",
        f"account {connection.account_id} has no role {connection.role_name}",
        (f"did you mean {', '.join(near)}? Connect that role, or create" if near else "create")
        + " this one: `trailwarden accounts policy` prints it whole; check the account id and the name for typos",
        seen_by=view.by,
    )


def explain_trust(refused: Refused, reading: TrustReading, seen_by: str) -> Check | None:
    """What in the trust policy keeps the caller out; None if nothing does."""
    if reading.denied_by:
        return refused.check(
            "trust_denies",
            f"the trust policy denies this installation: {', '.join(reading.denied_by)}",
            "take this installation's principal out of that Deny statement",
            seen_by=seen_by,
        )
    named = reading.naming_us
    if not named:
        return _not_named(refused, reading, seen_by)
    if all(statement.external_id == "differs" for statement in named):
        hint = next((statement.hint for statement in named if statement.hint), "")
        return refused.check(
            "external_id_wrong",
            "the trust policy demands another External ID than the one kept here" + (f": {hint}" if hint else ""),
            "write this connection's External ID into the trust policy (`trailwarden accounts policy "
            f"{refused.connection.account_id}`), or connect again with the one that it demands",
            seen_by=seen_by,
        )
    open_to_us = [statement for statement in named if statement.external_id != "differs"]
    if all(statement.failed or statement.unknown for statement in open_to_us):
        blocking = [name for statement in open_to_us for name in (*statement.failed, *statement.unknown)]
        return refused.check(
            "trust_condition",
            "the trust policy has conditions that this installation does not meet, or that cannot be judged from here: "
            + ", ".join(dict.fromkeys(blocking)),
            "take the condition out, or meet it (source address, MFA, tags, session name)",
            seen_by=seen_by,
        )
    return None


def _not_named(refused: Refused, reading: TrustReading, seen_by: str) -> Check:
    principals = [name for statement in reading.statements for name in statement.principals]
    deleted = [name for statement in reading.statements for name in statement.deleted]
    wanted = _wanted_principal(refused)
    found = ", ".join(principals[:5]) or "nobody"
    if deleted:
        return refused.check(
            "trust_principal_deleted",
            f"the trust policy names {', '.join(deleted)}: a principal that was deleted. One made again under the same "
            "name is another",
            f"write the principal's ARN into the trust policy again: {wanted}",
            seen_by=seen_by,
            trusted=found,
        )
    return refused.check(
        "trust_principal",
        f"the trust policy does not name this installation's principal, {refused.caller.principal_arn}",
        f"add it as Principal to the trust policy: {wanted}",
        seen_by=seen_by,
        trusted=found,
    )


def _wanted_principal(refused: Refused) -> str:
    wanted = refused.broker.own_principal()
    narrowed = f" with the condition ArnLike aws:PrincipalArn {wanted.only}" if wanted.only else ""
    return f"{wanted.arn}{narrowed}" + (f" ({wanted.note})" if wanted.note and not wanted.only else "")


def _own_side_by_simulation(refused: Refused) -> Check | None:
    """What the policy simulator says of the caller's own policies; None if they allow it, or it may not be asked."""
    client = refused.broker.own().client("iam")
    try:
        with aws_errors("iam:SimulatePrincipalPolicy", account=refused.caller.account):
            answer = client.simulate_principal_policy(
                PolicySourceArn=refused.caller.principal_arn,
                ActionNames=["sts:AssumeRole"],
                ResourceArns=[refused.connection.role_arn],
            )
    except AwsError:
        return None
    for result in answer["EvaluationResults"]:
        if result["EvalDecision"] == "allowed":
            continue
        explicit = result["EvalDecision"] == "explicitDeny"
        kind: PolicyKind = "identity"
        if not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
            kind = "scp"
        elif not result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True):
            kind = "boundary"
        return _own_side(refused, kind, Denial(kind, explicit), "the policy simulator says so")
    return None


def _indistinct(refused: Refused, unusable: list[str]) -> Check:
    connection = refused.connection
    steps = {
        "trust_principal": f"the trust policy must name {_wanted_principal(refused)} as Principal",
        "external_id_wrong": "the sts:ExternalId in the trust policy must be this connection's, to the letter",
        "role_missing": f"the role {connection.role_name} must exist in account {connection.account_id}; "
        "check the name, its path and the account id for typos",
    }
    ranked = rank_causes(connection, tuple(refused.broker.connections.list()))
    return refused.check(
        "indistinct",
        "AWS refused, and answers alike whether the role does not exist, its trust policy does not name this "
        "installation, or the External ID is another"
        + (f"; no second view into the account: {'; '.join(unusable)}" if unusable else ""),
        "check, the likeliest first: "
        + " ".join(f"({number}) {steps[cause]};" for number, cause in enumerate(ranked, 1))
        + f" `trailwarden accounts policy {connection.account_id}` prints the right trust policy. For the exact cause, "
        f"repeat with credentials of your own in that account: `trailwarden accounts doctor {connection.account_id} "
        "--profile PROFILE`",
        possible=", ".join(ranked),
    )


def rank_causes(connection: Connection, known: tuple[Connection, ...]) -> tuple[Cause, ...]:
    """The three causes that AWS does not tell apart, the likeliest first by what this and other connections showed."""
    worked = {"ok", "warning", "connected"}
    if connection.last_status in worked:  # it was there and it was right: somebody changed it or took it away
        return ("external_id_wrong", "trust_principal", "role_missing")
    elsewhere = any(
        other.role_name == connection.role_name and other.last_status in worked
        for other in known
        if other.id != connection.id
    )
    if elsewhere:  # the same role, rolled out elsewhere, names us rightly
        return ("role_missing", "external_id_wrong", "trust_principal")
    return ("trust_principal", "external_id_wrong", "role_missing")

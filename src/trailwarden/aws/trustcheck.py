"""Reads a role's trust policy the way that one caller meets it: who is named, and which conditions stand in the way.

Pure. It judges sts:AssumeRole for one known caller and says what it cannot know, such as the source address that AWS
will see: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from ..model.arn import Arn, role_of_session
from .broker import CallerIdentity

#: How a statement names the caller: itself, its whole account, everyone; or not at all.
Naming = Literal["principal", "account", "anyone", "nobody"]
#: What a statement demands of the External ID, compared to the one at hand; ``absent``: it demands none.
ExternalIdDemand = Literal["matches", "differs", "absent"]
_EXTERNAL_ID = "sts:externalid"
_DELETED = re.compile(r"A(?:ROA|IDA)[A-Z0-9]{12,28}")


class StatementReading(msgspec.Struct, frozen=True, kw_only=True):
    """One Allow statement for sts:AssumeRole.

    ``failed`` are conditions that the caller does not meet, ``unknown`` those that cannot be judged from here, both as
    ``Operator key``; the External ID is in neither. ``hint`` says how a differing External ID differs, without giving
    it away; may be empty. ``deleted`` are principals that AWS shows by their ids because they are gone.
    """

    sid: str
    naming: Naming
    external_id: ExternalIdDemand
    hint: str = ""
    failed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


class TrustReading(msgspec.Struct, frozen=True, kw_only=True):
    """The trust policy, as the caller meets it. ``denied_by`` are Deny statements that match, or might."""

    statements: tuple[StatementReading, ...]
    denied_by: tuple[str, ...] = ()

    @property
    def naming_us(self) -> tuple[StatementReading, ...]:
        """Allow statements that name the caller in one way or another."""
        return tuple(statement for statement in self.statements if statement.naming != "nobody")

    @property
    def open_to_anyone(self) -> tuple[StatementReading, ...]:
        """Statements that name everyone and demand no External ID: other conditions have to keep strangers out."""
        return tuple(s for s in self.statements if s.naming == "anyone" and s.external_id == "absent")

    @property
    def without_external_id(self) -> tuple[StatementReading, ...]:
        """Statements that let the caller in without an External ID."""
        return tuple(statement for statement in self.naming_us if statement.external_id == "absent")


def read_trust(document: Mapping[str, Any], caller: CallerIdentity, external_id: str) -> TrustReading:
    """How ``document`` (a trust policy as IAM returns it, decoded) meets ``caller`` with ``external_id``."""
    allowed: list[StatementReading] = []
    denied: list[str] = []
    for number, statement in enumerate(_listed(document.get("Statement", []))):
        if not isinstance(statement, Mapping) or not _covers_assume_role(statement):
            continue
        sid = str(statement.get("Sid") or f"statement {number + 1}")
        naming = _naming(statement, caller)
        demand, failed, unknown = _conditions(statement.get("Condition", {}), caller, external_id)
        if statement.get("Effect") == "Deny":
            if naming != "nobody" and not failed and demand != "differs":
                denied.append(sid)
            continue
        principals = tuple(_aws_principals(statement))
        if principals or "NotPrincipal" in statement:
            allowed.append(
                StatementReading(
                    sid=sid,
                    naming=naming,
                    external_id=demand,
                    hint=_how_it_differs(statement.get("Condition", {}), external_id) if demand == "differs" else "",
                    failed=failed,
                    unknown=unknown,
                    principals=principals,
                    deleted=tuple(name for name in principals if _DELETED.fullmatch(name)),
                )
            )
    return TrustReading(statements=tuple(allowed), denied_by=tuple(denied))


def _covers_assume_role(statement: Mapping[str, Any]) -> bool:
    def named(element: str) -> bool:
        patterns = (str(pattern).lower() for pattern in _listed(statement.get(element, [])))
        return any(_wild(pattern, "sts:assumerole") for pattern in patterns)

    return not named("NotAction") if "NotAction" in statement else named("Action")


def _aws_principals(statement: Mapping[str, Any]) -> Iterator[str]:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        yield principal
    elif isinstance(principal, Mapping):
        yield from (str(name) for name in _listed(principal.get("AWS", [])))


def _naming(statement: Mapping[str, Any], caller: CallerIdentity) -> Naming:
    if "NotPrincipal" in statement:
        excluded = {"Principal": statement["NotPrincipal"]}
        return "anyone" if _naming(excluded, caller) == "nobody" else "nobody"
    namings = {_names(name, caller) for name in _aws_principals(statement)}
    return next((naming for naming in ("anyone", "principal", "account") if naming in namings), "nobody")


def _names(name: str, caller: CallerIdentity) -> Naming:
    if name == "*":
        return "anyone"
    if name in {caller.account, f"arn:{caller.partition}:iam::{caller.account}:root"}:
        return "account"
    if name == caller.arn:
        return "principal"
    if name.startswith("arn:") and name.count(":") >= 5:
        # A session does not know its role's path, and no two roles of an account share a name.
        theirs, ours = Arn(*name.split(":", 5)[1:]), role_of_session(Arn.parse(caller.arn))
        if ours.kind == "role" and theirs.kind == "role" and theirs.service == "iam":
            same = (theirs.partition, theirs.account, theirs.name) == (ours.partition, ours.account, ours.name)
            return "principal" if same else "nobody"
    return "nobody"


def _conditions(
    conditions: Any, caller: CallerIdentity, external_id: str
) -> tuple[ExternalIdDemand, tuple[str, ...], tuple[str, ...]]:
    demand: ExternalIdDemand = "absent"
    failed: list[str] = []
    unknown: list[str] = []
    for operator, keys in conditions.items() if isinstance(conditions, Mapping) else ():
        for key, wanted in keys.items() if isinstance(keys, Mapping) else ():
            values = [str(value) for value in _listed(wanted)]
            name = key.lower()
            if name == "aws:principalarn" and role_of_session(Arn.parse(caller.arn)).kind == "role":
                met = _meets_role_arn(operator, values, caller)
            else:
                actual = external_id if name == _EXTERNAL_ID else _known(name, caller)
                met = _met(operator, values, actual) if actual is not None else None
            if name == _EXTERNAL_ID and met is not None:
                if _demands(operator, values):
                    demand = "matches" if met and demand != "differs" else "differs"
                elif not met:
                    demand = "differs"
            elif met is None:
                unknown.append(f"{operator} {key}")
            elif not met:
                failed.append(f"{operator} {key}")
    return demand, tuple(failed), tuple(unknown)


def _how_it_differs(conditions: Any, external_id: str) -> str:
    wanted = [
        str(value)
        for keys in conditions.values()
        if isinstance(keys, Mapping)
        for key, values in keys.items()
        if key.lower() == _EXTERNAL_ID
        for value in _listed(values)
    ]
    bare = external_id.strip(" \"'\t").lower()
    if any(value.strip(" \"'\t").lower() == bare for value in wanted):
        return "they differ only in case, quotes or spaces"
    if any(re.fullmatch(r"\W*(?:your|replace|example|change|todo)\W?.*", value, re.IGNORECASE) for value in wanted):
        return "the trust policy still holds a placeholder"
    if any(value.startswith(external_id) or external_id.startswith(value) for value in wanted):
        return "one is the beginning of the other: it was cut off when copied"
    return ""


def _demands(operator: str, values: list[str]) -> bool:
    """Whether a condition on the External ID turns away who does not know it."""
    bare = operator.rsplit(":", maxsplit=1)[-1]
    if bare == "Null" or "Not" in bare or bare.endswith("IfExists"):
        return False
    return not any(value.strip("*") == "" for value in values) if "Like" in bare else True


def _known(key: str, caller: CallerIdentity) -> str | None:
    """What is known of the request that the caller will make; None: cannot be known here."""
    ours = Arn.parse(caller.arn)
    if key == "aws:principalaccount":
        return caller.account
    if key == "aws:userid":
        return caller.user_id
    if key == "aws:principalarn" and ours.kind == "user":
        return caller.arn
    return None


def _meets_role_arn(operator: str, values: list[str], caller: CallerIdentity) -> bool | None:
    """The same for aws:PrincipalArn of a role session, whose role's path is not known here."""
    role = role_of_session(Arn.parse(caller.arn))
    if all(_met(operator, values, arn) for arn in _possible_arns(role)):
        return True
    account = f"arn:{role.partition}:iam::{role.account}"
    possible = any(
        _wild(value.rpartition("/")[2], role.name) and _wild(":".join(value.split(":")[:5]), account)
        for value in values
    )
    return None if possible or "Not" in operator else False


def _possible_arns(role: Arn) -> tuple[str, ...]:
    """The ARNs that a role of this name most likely has: Identity Center's roles have a path, with a Region or without.

    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    if not role.name.startswith("AWSReservedSSO_"):
        return (str(role),)
    paths = ("aws-reserved/sso.amazonaws.com/", "aws-reserved/sso.amazonaws.com/eu-central-1/")
    return tuple(str(msgspec.structs.replace(role, resource=f"role/{path}{role.name}")) for path in paths)


def _met(operator: str, values: list[str], actual: str) -> bool | None:
    """Whether one condition holds for a key that is present; None for an operator that is not judged here."""
    bare = operator.rsplit(":", maxsplit=1)[-1].removesuffix("IfExists")
    if any("${" in value for value in values):
        return None
    if bare == "Null":
        return any(value.lower() == "false" for value in values)
    negated = "Not" in bare
    compare = _COMPARE.get(bare.replace("Not", ""))
    if compare is None:
        return None
    return any(compare(value, actual) for value in values) != negated


def _equal(wanted: str, actual: str) -> bool:
    return wanted == actual


def _equal_ignoring_case(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


def _wild(pattern: str, actual: str) -> bool:
    translated = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(translated, actual, re.DOTALL) is not None


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_ignoring_case,
    "StringLike": _wild,
    "ArnEquals": _wild,
    "ArnLike": _wild,
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

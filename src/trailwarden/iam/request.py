"""What is asked of the evaluator, the policies that bear on it, and what it answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ..errors import UsageError
from ..model.policy import Policy, PolicyKind, PolicySource, StatementRef, parse_policy
from .context import Context, Given
from .formula import AllOf, Formula, leaves
from .principals import RequestPrincipal, parse_principal

Outcome = Literal["Allowed", "ImplicitlyDenied", "ExplicitlyDenied"]
#: The kinds of policy that can block a request, in AWS's order of evaluation (the endpoint's before them all).
Layer = Literal["vpce", "rcp", "scp", "resource", "boundary", "session", "identity"]
#: A policy, parsed or as a document.
PolicyLike: TypeAlias = Policy | Mapping[str, Any] | str

_ACCOUNT_DIGITS = 12


class Request(msgspec.Struct, frozen=True):
    """One request: an action (``s3:GetObject``) on a resource (an ARN, or ``*`` for actions that have none).

    ``principal`` is a `RequestPrincipal` or what `parse_principal` takes. ``resource_account`` defaults to the
    ARN's, then to the caller's. ``context`` holds condition keys: None for one says that it is absent, None for
    the whole that nothing is known. ``unknown_context`` says what keys are that are not given: absent (False),
    unknown (True), or unknown if named in it (``aws:RequestTag/*`` names a family). Tags that are None are as
    little known as the rest.
    """

    action: str
    resource: str
    principal: RequestPrincipal | str
    principal_account: str | None = None
    resource_account: str | None = None
    context: Mapping[str, Given] | None = {}
    resource_tags: Mapping[str, str] | None = None
    principal_tags: Mapping[str, str] | None = None
    unknown_context: bool | frozenset[str] = False

    def __post_init__(self) -> None:
        if ":" not in self.action:
            raise UsageError(f"not an action: {self.action!r}", remedy="an action looks like s3:GetObject")

    @property
    def caller(self) -> RequestPrincipal:
        """The principal, taken apart."""
        principal = self.principal
        if isinstance(principal, str):
            principal = parse_principal(principal, self.principal_account)
        if self.principal_tags is not None:
            principal = msgspec.structs.replace(principal, tags=self.principal_tags)
        return principal

    def owner(self, caller: RequestPrincipal) -> str | None:
        """The account of the resource."""
        if self.resource_account is not None:
            return self.resource_account
        parts = self.resource.split(":", 5)
        if len(parts) == 6 and len(parts[4]) == _ACCOUNT_DIGITS and parts[4].isdigit():
            return parts[4]
        return caller.account


class Policies:
    """The policies that bear on a request; None where there is none of the kind.

    ``identity``: all of the principal's, those of its groups included. ``resource``: the resource's policy, the
    key's policy, or the role's trust policy. ``scps`` of the caller's and ``rcps`` of the resource's organization
    are one sequence per level: root, each OU, account. ``vpc_endpoints``: of the endpoint that the request takes.
    ``management_account``: the caller is in it. ``service_linked``: the caller is a service-linked role, where its
    ARN does not say so.
    """

    __slots__ = (
        "boundaries",
        "identity",
        "management_account",
        "rcps",
        "resource",
        "scps",
        "service_linked",
        "session",
        "vpc_endpoints",
    )

    def __init__(
        self,
        identity: Sequence[PolicyLike] | PolicyLike = (),
        boundaries: Sequence[PolicyLike] | PolicyLike | None = None,
        session: Sequence[PolicyLike] | PolicyLike | None = None,
        resource: PolicyLike | None = None,
        *,
        scps: Sequence[Sequence[PolicyLike]] | None = None,
        rcps: Sequence[Sequence[PolicyLike]] | None = None,
        vpc_endpoints: Sequence[PolicyLike] | PolicyLike | None = None,
        management_account: bool = False,
        service_linked: bool = False,
    ) -> None:
        self.identity = _read(identity, "identity_inline")
        self.boundaries = _read(boundaries, "boundary")
        self.session = _read(session, "session")
        self.resource = _read(resource, "resource")
        self.scps = tuple(_read(level, "scp") for level in scps or ())
        self.rcps = tuple(_read(level, "rcp") for level in rcps or ())
        self.vpc_endpoints = _read(vpc_endpoints, "vpce")
        self.management_account = management_account
        self.service_linked = service_linked


def _read(given: Sequence[PolicyLike] | PolicyLike | None, kind: PolicyKind) -> tuple[Policy, ...]:
    if given is None:
        return ()
    single = isinstance(given, Policy | Mapping | str)
    policies: Sequence[PolicyLike] = (given,) if single else given  # type: ignore[assignment]
    return tuple(
        each if isinstance(each, Policy) else parse_policy(each, source=PolicySource(kind=kind, name=f"#{number}"))
        for number, each in enumerate(policies, 1)
    )


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: AWS's outcome, what blocked, and which statements applied.

    ``Allowed`` with ``conditional`` reads "allowed if all of these hold"; without, it is certain. ``matched`` are
    statements that apply, ``possible`` those that apply only if something unknown holds. ``blocked_by`` lists
    every kind of policy that stands in the way; it is empty where AWS itself forbids the change.
    """

    request: Request
    effect: Outcome
    blocked_by: tuple[Layer, ...] = ()
    matched: tuple[StatementRef, ...] = ()
    possible: tuple[StatementRef, ...] = ()
    conditional: tuple[Formula, ...] = ()
    #: Why, where no policy is the reason.
    note: str = ""

    @property
    def outcome(self) -> Outcome:
        """The effect, by AWS's other name for it."""
        return self.effect

    @property
    def certain(self) -> bool:
        """Whether nothing unknown could change the effect."""
        return not self.conditional

    @property
    def unknown(self) -> tuple[str, ...]:
        """The condition keys on whose unknown values the decision depends."""
        keys = (each.key for part in self.conditional for leaf in leaves(part) for each in leaf.conditions)
        return tuple(dict.fromkeys(keys))

    @property
    def explanation(self) -> tuple[str, ...]:
        """The decision in sentences: the effect first, then its reasons."""
        return tuple(_explained(self))


_LACKING: dict[Layer, str] = {
    "vpce": "the VPC endpoint's policy does not allow it",
    "rcp": "a resource control policy does not allow it",
    "scp": "at some level of the organization no service control policy allows it",
    "resource": "the resource's policy does not allow it",
    "boundary": "the permissions boundary does not allow it",
    "session": "the session policy does not allow it",
    "identity": "no identity policy allows it",
}
_LAYER_OF: dict[PolicyKind, Layer] = {
    "identity_inline": "identity",
    "identity_managed": "identity",
    "group_inline": "identity",
    "group_managed": "identity",
    "boundary": "boundary",
    "session": "session",
    "resource": "resource",
    "trust": "resource",
    "scp": "scp",
    "rcp": "rcp",
    "vpce": "vpce",
}


def layer_of(kind: PolicyKind) -> Layer:
    """The layer to which a kind of policy belongs."""
    return _LAYER_OF[kind]


def _explained(decision: Decision) -> list[str]:
    what = f"{decision.request.action} on {decision.request.resource}"
    allows = [str(each) for each in decision.matched if each.effect == "Allow"]
    denies = [each for each in decision.matched if each.effect == "Deny"]
    notes = [decision.note] if decision.note else []
    if decision.effect == "Allowed":
        head = f"Allowed{' only if more holds' if decision.conditional else ''}: {what}"
        conditions = [f"Only if {part}" for part in decision.conditional]
        return [head, *(f"Allowed by {each}" for each in allows), *conditions, *notes]
    if decision.effect == "ExplicitlyDenied":
        denied_in = {layer_of(each.source.kind) for each in denies}
        lacking = [layer for layer in decision.blocked_by if layer not in denied_in]
        reasons = [f"Denied by {each}" for each in denies]
        return [f"Explicitly denied: {what}", *reasons, *(f"Besides, {_LACKING[layer]}" for layer in lacking)]
    return [f"Not allowed: {what}", *(f"Because {_LACKING[layer]}" for layer in decision.blocked_by), *notes]


def requirements(formula: Formula) -> tuple[Formula, ...]:
    """A formula as the parts that must all be true."""
    if isinstance(formula, bool):
        return ()
    return formula.parts if isinstance(formula, AllOf) else (formula,)


def context_of(request: Request, caller: RequestPrincipal, owner: str | None) -> Context:
    """The request's context, with what follows from caller and resource."""
    return Context(
        request.context or {},
        principal=caller,
        resource_account=owner,
        resource_tags=request.resource_tags,
        unknown=request.unknown_context or request.context is None,
    )

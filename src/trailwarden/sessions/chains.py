"""Who stands behind a session: the steps that its own records show, and those further up."""

from collections.abc import Callable, Sequence

import msgspec

from ..model.finding import Evidence
from ..model.session import ChainKind, ChainStep, OnBehalfOf, Session, Strength
from . import groups as g
from .groups import Group, session_id_of
from .issuances import CALLER_KINDS, EVIDENCE_ONLY, Joined, kind_of_arn, name_in
from .methods import LINKED_PATH, Verdict, is_for_pods, is_identity_center_provider, reserved_role
from .reading import account_in

#: How far a chain is followed. AWS limits none, but a real one is a handful of hops.
MOST_STEPS = 32
#: What a chain ends at. A service may act for a person, whom it then names as SourceIdentity.
_ENDS: frozenset[ChainKind] = frozenset(
    {
        "identity_center_user",
        "saml_user",
        "web_identity",
        "iam_user",
        "root",
        "ec2_instance",
        "lambda_function",
        "kubernetes_service_account",
    }
)
_SESSION_NAME, _SOURCE_IDENTITY, _IDENTITY = "session name", "SourceIdentity", "userIdentity"


def issuing(group: Group, links: Sequence[Joined]) -> Joined | None:
    """The issuance that made the group's credentials, among those that belong to it; None for long-lived keys."""
    if group.kind in ("user_key", "user_sign_in", "user", "saml", "web_identity", "identity_center"):
        return None
    candidates = [
        link for link in links if link.issuance.kind not in EVIDENCE_ONLY and link.issuance.caller_key != group.key
    ]
    if group.kind == "user_session":
        opened = group.value(g.CONSOLE) is not None
        candidates.sort(key=lambda link: (not opened and link.rank < 2, link.issuance.kind != "ConsoleLogin"))
    elif group.kind == "role":
        candidates = [link for link in candidates if link.issuance.kind != "ConsoleLogin"]
    return candidates[0] if candidates else None


def is_ambiguous(link: Joined, links: Sequence[Joined]) -> bool:
    """Whether another caller's record fits as well: two issued the same name in the same second."""
    return any(
        other.issuance.kind == link.issuance.kind
        and other.rank == link.rank
        and other.issuance.caller_key != link.issuance.caller_key
        and not (other.issuance.external or link.issuance.external)
        for other in links
    )


def own_steps(group: Group, link: Joined | None, verdict: Verdict, behalf: OnBehalfOf | None) -> tuple[ChainStep, ...]:
    """The steps that the group's own records, and the record that issued it, show."""
    if behalf is not None:
        return (_on_behalf_of(group, behalf),)
    if link is not None and link.issuance.kind != "ConsoleLogin":
        return (_issued(group, link),)
    match group.kind:
        case "role":
            return _role(group, verdict)
        case "user_session" | "user_key" | "user_sign_in" | "user" | "root":
            return (_self(group, "root" if group.kind == "root" else "iam_user", link, shown=shown_by(group)),)
        case "federated":
            return _federated(group)
        case "identity_center":
            return _typed_in(group)
        case "saml":
            kind: ChainKind = "identity_center_user" if verdict.method == "identity_center" else "saml_user"
            return (_self(group, kind, None),)
        case "web_identity":
            pods = verdict.method == "irsa"
            return (_self(group, "kubernetes_service_account" if pods else "web_identity", None),)
        case "service":
            return (_self(group, "aws_service", None, name=group.value(g.INVOKED_BY)),)
        case "external":
            return (_self(group, "external_principal", None, name=group.principal_id),) if group.principal_id else ()
    return ()


def user_arn(behalf: OnBehalfOf) -> str:
    """The ARN of an Identity Center user."""
    parts = (behalf.identity_store_arn or "").split(":")
    return f"arn:{parts[1] if len(parts) > 1 else 'aws'}:identitystore:::user/{behalf.user_id}"


def _on_behalf_of(group: Group, behalf: OnBehalfOf) -> ChainStep:
    evidence = group.evidence(g.BEHALF_USER, behalf.user_id)
    named = group.session_name if reserved_role(group) is not None else group.value(g.SIGN_IN_NAME)
    return ChainStep(
        kind="identity_center_user",
        name=named,
        arn=user_arn(behalf),
        account=account_in(behalf.identity_store_arn) or group.account,
        link="proven",
        by="onBehalfOf",
        event_id=evidence.event_id if evidence else None,
    )


def _issued(group: Group, link: Joined) -> ChainStep:
    """The step that an issuing record shows."""
    issuance, caller = link.issuance, link.issuance.caller
    kind, name, arn, account = caller.kind, caller.name, caller.arn, caller.account
    session_id = session_id_of(issuance.caller_key) if issuance.caller_key is not None else None
    provider, session_name = issuance.provider, issuance.session_name or group.session_name
    if issuance.kind == "AssumeRoleWithSAML":
        kind = "identity_center_user" if is_identity_center_provider(provider) else "saml_user"
        name, arn, account, session_id = issuance.subject or session_name, provider, account_in(provider), None
    elif issuance.kind == "AssumeRoleWithWebIdentity":
        kind = "kubernetes_service_account" if is_for_pods(provider, issuance.subject) else "web_identity"
        arn = provider if (provider or "").startswith("arn:") else None
        name, account, session_id = issuance.subject, account_in(arn), None
    elif issuance.kind == "AssumeRoleForPodIdentity" or (issuance.service and issuance.subject):
        kind, name, arn, account, session_id = (
            "kubernetes_service_account",
            issuance.subject,
            None,
            issuance.account,
            None,
        )
    elif issuance.service is not None:
        kind, account, session_id = "aws_service", issuance.account, None
        name = issuance.service
        if issuance.service == "ec2.amazonaws.com":
            kind, name, arn = "ec2_instance", session_name, group.value(g.ISSUED_TO)
        elif issuance.service == "lambda.amazonaws.com":
            kind, name, arn = "lambda_function", session_name, group.value(g.ISSUED_TO)
    return ChainStep(
        kind=kind,
        name=name,
        arn=arn,
        account=account,
        link="proven",
        by=link.by,
        session_id=session_id,
        event_id=issuance.event_id or None,
    )


def _typed_in(group: Group) -> tuple[ChainStep, ...]:
    """The user name given at a sign-in that AWS's record does not match to a user."""
    field = g.USER_NAME if group.value(g.USER_NAME) is not None else g.SIGN_IN_NAME
    evidence = group.evidence(field)
    if evidence is None:
        return ()
    return (
        ChainStep(
            kind="identity_center_user",
            name=evidence.value,
            arn=None,
            account=group.account,
            link="claimed",
            by="UserName",
            event_id=evidence.event_id or None,
        ),
    )


def shown_by(group: Group) -> Strength:
    """Whether the userIdentity proves who it was: not where all it did was to fail to sign in."""
    without_credentials = group.created is None and g.ACCESS_KEY not in group.marks
    return "claimed" if without_credentials and group.failures == group.calls else "proven"


def _self(
    group: Group,
    kind: ChainKind,
    link: Joined | None,
    *,
    name: str | None = None,
    shown: Strength = "proven",
) -> ChainStep:
    """What the userIdentity itself says of a person or workload; ``link`` is the sign-in."""
    arn = group.value(g.ARN)
    known = name or group.value(g.USER_NAME) or name_in(arn)
    if kind == "root":
        known = "root"
    return ChainStep(
        kind=kind,
        name=known or group.principal_id,
        arn=arn,
        account=group.account,
        link=shown,
        by=_IDENTITY,
        event_id=(link.issuance.event_id if link is not None else group.first_event) or None,
    )


def _federated(group: Group) -> tuple[ChainStep, ...]:
    """Whoever called GetFederationToken is the sessionIssuer."""
    arn = group.value(g.ISSUER_ARN)
    if arn is None:
        return ()
    kind = CALLER_KINDS.get(group.value(g.ISSUER_TYPE) or "") or kind_of_arn(arn)
    evidence = group.evidence(g.ISSUER_ARN, arn)
    return (
        ChainStep(
            kind=kind,
            name="root" if kind == "root" else group.value(g.ISSUER_NAME) or name_in(arn),
            arn=arn,
            account=account_in(arn),
            link="proven",
            by=_IDENTITY,
            event_id=evidence.event_id if evidence else None,
        ),
    )


def _role(group: Group, verdict: Verdict) -> tuple[ChainStep, ...]:
    """A role session whose issuing record is not at hand."""
    name = group.session_name

    def step(kind: ChainKind, who: str | None, link: Strength, by: str, arn: str | None = None) -> ChainStep:
        told = verdict.evidence.event_id if verdict.evidence is not None else group.first_event
        return ChainStep(
            kind=kind, name=who, arn=arn, account=group.account, link=link, by=by, event_id=told or None
        )  # fmt: skip

    if name is not None and reserved_role(group) is not None:  # Identity Center names its sessions after the user
        return (step("identity_center_user", name, "proven", _IDENTITY),)
    named: Strength = "claimed" if _only_named(verdict) else "proven"
    by = _SESSION_NAME if named == "claimed" else _IDENTITY
    subject = group.value(g.WEB_SUBJECT)
    match verdict.method:
        case "identity_center" if name is not None:
            return (step("identity_center_user", name, named, by),)
        case "instance_profile" if name is not None:
            return (step("ec2_instance", name, named, by, group.value(g.ISSUED_TO)),)
        case "lambda":
            issued_to = group.value(g.ISSUED_TO)
            return (step("lambda_function", (issued_to or "").rsplit(":", 1)[-1] or name, named, by, issued_to),)
        case "irsa" | "oidc" if subject is not None:
            pods = verdict.method == "irsa"
            return (step("kubernetes_service_account" if pods else "web_identity", subject, "proven", _IDENTITY),)
        case "aws_service" if LINKED_PATH in (group.role_arn or ""):
            service = (group.role_arn or "").split(LINKED_PATH, 1)[1].split("/", 1)[0]
            return (step("aws_service", service, "proven", _IDENTITY),)
    source = group.value(g.SOURCE_IDENTITY)
    if source is not None:
        return (source_step(source, group.evidence(g.SOURCE_IDENTITY, source)),)
    if name is not None:
        return (step("unknown", name, "claimed", _SESSION_NAME),)
    return ()


def _only_named(verdict: Verdict) -> bool:
    """Whether nothing but a name, which the caller may have chosen, told the method."""
    return verdict.evidence is None or verdict.evidence.field in (g.ARN, "userIdentity.principalId")


def source_step(source: str, evidence: Evidence | None = None) -> ChainStep:
    """The one whom a SourceIdentity names."""
    return ChainStep(
        kind="unknown",
        name=source,
        arn=None,
        account=None,
        link="proven",
        by=_SOURCE_IDENTITY,
        event_id=evidence.event_id or None if evidence is not None else None,
    )


def strength_of(chain: Sequence[ChainStep], known: bool) -> Strength:
    """The weakest link; of an empty chain, whether at least the method is known."""
    if not chain:
        return "proven" if known else "claimed"
    return "claimed" if any(step.link == "claimed" for step in chain) else "proven"


def with_chain(session: Session, find: Callable[[str], Session | None]) -> Session:
    """The session with its chain followed upwards, through the sessions of those who issued it.

    ``find`` gives a session by its id, as :func:`session_of` makes it, or None if it is not in the records.
    The chain stops where nothing more is known, before it would come back to a session that is in it
    already, and after 32 steps. Where a session's name alone would end it, and the session carries a
    SourceIdentity, that stands there instead: it was set when the chain began and cannot be changed in it.
    """
    steps = list(session.chain)
    present: set[str | None] = {session.session_id, *(step.session_id for step in steps[:-1])}
    followed: set[str | None] = set()
    while steps and len(steps) < MOST_STEPS:
        above = steps[-1].session_id
        if above is None or above in present or above in followed:
            break
        followed.add(above)
        parent = find(above)
        if parent is None:
            break
        for step in parent.chain[: MOST_STEPS - len(steps)]:
            if step.session_id is not None and step.session_id in present | followed:
                break
            if step.by != _IDENTITY or not _is_same(step, steps[-1]):
                present.add(steps[-1].session_id)
                steps.append(step)
    last = steps[-1] if steps else None
    source = session.source_identity
    if source is not None and last is not None and last.kind not in _ENDS and last.by != _SOURCE_IDENTITY:
        if last.by == _SESSION_NAME:
            steps.pop()
        steps.append(source_step(source))
    chain = tuple(steps)
    if chain == session.chain:
        return session
    return msgspec.structs.replace(session, chain=chain, strength=strength_of(chain, session.method != "unknown"))


def _is_same(one: ChainStep, other: ChainStep) -> bool:
    """Whether a step only says again whom the step before it names."""
    return one.kind == other.kind and (one.arn or one.name) == (other.arn or other.name)

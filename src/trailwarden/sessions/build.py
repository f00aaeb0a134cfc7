"""A session out of its group and the records that issued it."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from ..model.finding import Evidence
from ..model.session import (
    ChainStep,
    Identifier,
    IdentifierKind,
    Issuer,
    OnBehalfOf,
    Provider,
    Session,
    Strength,
)
from . import groups as g
from .chains import is_ambiguous, issuing, own_steps, shown_by, strength_of
from .groups import Group, session_id_of
from .issuances import Issuance, Joined, joined, name_in
from .methods import Verdict, method_of, reserved_role
from .reading import EMAIL, flag

#: Methods whose sessions never carry AWS's own multi-factor authentication: a recorded "false" says nothing of it.
_MFA_ELSEWHERE = frozenset({"identity_center", "saml", "oidc", "irsa", "aws_login"})
#: Of so many addresses, those seen first, a session cites a record each.
CITED_ADDRESSES = 20


_Add = Callable[[IdentifierKind, Evidence | None, Strength], None]


def session_of(group: Group, issuances: Iterable[Issuance]) -> Session:
    """The session that a whole (merged) group is.

    ``issuances`` are those that share a token with the group; further ones do no harm. The chain has the
    steps that these tell; :func:`~trailwarden.sessions.with_chain` follows it upwards.
    """
    links = joined(group, issuances)
    verdict = method_of(group, links)
    link = issuing(group, links)
    behalf = _behalf(group)
    chain = own_steps(group, link, verdict, behalf)
    if link is not None and is_ambiguous(link, links):
        chain = tuple(_claimed(step) if step.event_id == link.issuance.event_id else step for step in chain)
    source, source_evidence = _source_identity(group, links)
    saml, web = _saml(group, links), _web(group, links)
    issuer = _issuer(link) if link is not None else None
    return Session(
        session_id=group.session_id,
        account=group.account,
        method=verdict.method,
        reason=verdict.reason,
        principal_id=group.principal_id,
        principal_arn=group.value(g.ARN),
        role_arn=group.role_arn or _role_arn(group, links),
        session_name=group.session_name,
        user_name=group.value(g.SIGN_IN_NAME) if group.kind == "identity_center" else group.value(g.USER_NAME),
        access_keys=group.values(g.ACCESS_KEY),
        created=group.created,
        issuer=issuer,
        chain=chain,
        strength=strength_of(chain, verdict.method != "unknown"),
        first_seen=group.first,
        last_seen=group.last,
        regions=group.regions,
        source_ips=group.source_ips,
        user_agents=group.user_agents,
        recorded_in=group.accounts,
        events=group.calls,
        errors=group.failures,
        source_identity=source,
        on_behalf_of=behalf,
        web_identity=web,
        saml=saml,
        mfa=_mfa(group, links, verdict),
        identifiers=_identifiers(group, links, verdict, source_evidence),
        evidence=_evidence(group, verdict, link, links),
    )


def _claimed(step: ChainStep) -> ChainStep:
    return msgspec.structs.replace(step, link="claimed")


def _behalf(group: Group) -> OnBehalfOf | None:
    user_id = group.value(g.BEHALF_USER)
    return OnBehalfOf(user_id, group.value(g.BEHALF_STORE)) if user_id is not None else None


def _issuer(link: Joined) -> Issuer:
    issuance, caller = link.issuance, link.issuance.caller
    return Issuer(
        event_id=issuance.event_id,
        event_name=issuance.kind,
        time=issuance.time,
        kind=caller.kind,
        name=caller.name,
        arn=caller.arn,
        account=caller.account,
        access_key=caller.access_key,
        source_ip=issuance.source_ip,
        by=link.by,
        session_id=session_id_of(issuance.caller_key) if issuance.caller_key is not None else None,
    )


def _first(links: Sequence[Joined], *kinds: str) -> Issuance | None:
    return next((link.issuance for link in links if link.issuance.kind in kinds), None)


def _role_arn(group: Group, links: Sequence[Joined]) -> str | None:
    if group.kind != "role":
        return None
    return next((link.issuance.role_arn for link in links if link.issuance.role_arn is not None), None)


def _source_identity(group: Group, links: Sequence[Joined]) -> tuple[str | None, Evidence | None]:
    own = group.evidence(g.SOURCE_IDENTITY)
    if own is not None:
        return own.value, own
    for link in links:
        given = link.issuance.source_identity
        if given is not None and group.kind == "role":
            return given, Evidence(link.issuance.event_id, "requestParameters.sourceIdentity", given)
    return None, None


def _saml(group: Group, links: Sequence[Joined]) -> Provider | None:
    assertion, login = _first(links, "AssumeRoleWithSAML"), _first(links, "ConsoleLogin")
    if assertion is not None:
        return Provider(name_in(assertion.provider) or "", assertion.provider, assertion.subject)
    if login is not None and login.provider is not None:
        return Provider(name_in(login.provider) or "", login.provider)
    if group.kind == "saml":
        return Provider(group.value(g.IDENTITY_PROVIDER) or "", None, group.value(g.USER_NAME))
    return None


def _web(group: Group, links: Sequence[Joined]) -> Provider | None:
    assertion = _first(links, "AssumeRoleWithWebIdentity")
    if assertion is not None:
        return _web_provider(assertion.provider, assertion.subject)
    if group.kind == "web_identity":
        return _web_provider(group.value(g.IDENTITY_PROVIDER), group.value(g.USER_NAME))
    if group.value(g.WEB_PROVIDER) is not None or group.value(g.WEB_SUBJECT) is not None:
        return _web_provider(group.value(g.WEB_PROVIDER), group.value(g.WEB_SUBJECT))
    return None


def _web_provider(provider: str | None, subject: str | None) -> Provider:
    named = (provider or "").split(":oidc-provider/", 1)
    return Provider(named[-1], provider if len(named) == 2 else None, subject)


def _mfa(group: Group, links: Sequence[Joined], verdict: Verdict) -> bool | None:
    login = _first(links, "ConsoleLogin", "GetSessionToken")
    told = {flag(value) for value in group.marks.get(g.MFA, ())} | {login.mfa if login is not None else None}
    if True in told:
        return True
    return False if False in told and verdict.method not in _MFA_ELSEWHERE else None


def _identifiers(
    group: Group, links: Sequence[Joined], verdict: Verdict, source: Evidence | None
) -> tuple[Identifier, ...]:
    found: list[Identifier] = []

    def add(kind: IdentifierKind, evidence: Evidence | None, strength: Strength) -> None:
        if evidence is not None:
            found.append(Identifier(kind, evidence.value, strength, evidence))

    add("source_identity", source, "proven")
    add("identity_center_user", group.evidence(g.BEHALF_USER), "proven")
    match group.kind:
        case "role":
            chosen: Strength = "proven" if _is_name_of_aws(group, links, verdict) else "claimed"
            add("session_name", _name_evidence(group), chosen)
        case "user_session" | "user_key" | "user_sign_in" | "user":
            arn, shown = group.value(g.ARN) or "", shown_by(group)
            add("iam_user", group.evidence(g.ARN, arn) if ":user/" in arn else None, shown)
            add("iam_user_name", group.evidence(g.USER_NAME), shown)
            if (group.principal_id or "").startswith("AIDA"):
                add(
                    "principal_id",
                    Evidence(group.first_event, "userIdentity.principalId", group.principal_id or ""),
                    shown,
                )
        case "federated":
            name = (group.principal_id or "").partition(":")[2]
            add(
                "federated_user",
                Evidence(group.first_event, "userIdentity.principalId", name) if name else None,
                "claimed",
            )
        case "identity_center":
            # A name that AWS matched to a user is that user's; one that was only typed in may be anybody's.
            matched = group.value(g.BEHALF_USER) is not None
            add("session_name", group.evidence(g.SIGN_IN_NAME), "proven" if matched else "claimed")
            add("session_name", group.evidence(g.USER_NAME), "claimed")
        case "saml":
            add("saml_subject", group.evidence(g.USER_NAME), "proven")
        case "web_identity":
            add("oidc_subject", group.evidence(g.USER_NAME), "proven")
    if group.kind == "role":
        add("oidc_subject", group.evidence(g.WEB_SUBJECT), "proven")
        for link in links:
            _of_assertion(link.issuance, add)
    emails = [Identifier("email", one.value, one.strength, one.evidence) for one in found if EMAIL.fullmatch(one.value)]
    return tuple(dict.fromkeys((*found, *emails)))


def _of_assertion(issuance: Issuance, add: _Add) -> None:
    """What an identity provider vouched for when the session was issued."""
    if issuance.kind == "AssumeRoleWithSAML" and issuance.subject is not None:
        add("saml_subject", Evidence(issuance.event_id, "responseElements.subject", issuance.subject), "proven")
    if issuance.kind == "AssumeRoleWithWebIdentity" and issuance.subject is not None:
        field = "responseElements.subjectFromWebIdentityToken"
        add("oidc_subject", Evidence(issuance.event_id, field, issuance.subject), "proven")
    for email in issuance.emails:
        if EMAIL.fullmatch(email):
            add("email", Evidence(issuance.event_id, "requestParameters.principalTags", email), "proven")


def _is_name_of_aws(group: Group, links: Sequence[Joined], verdict: Verdict) -> bool:
    """Whether AWS itself named the session: Identity Center after its user, EC2 and others after what they equip."""
    if reserved_role(group) is not None or group.value(g.ROLE_DELIVERY) is not None:
        return True
    if any(link.issuance.service is not None for link in links):
        return True
    return verdict.method == "identity_center" and any(link.issuance.kind == "AssumeRoleWithSAML" for link in links)


def _name_evidence(group: Group) -> Evidence | None:
    name = group.session_name
    if name is None:
        return None
    named = ":" in (group.principal_id or "")
    return Evidence(group.first_event, "userIdentity.principalId" if named else g.ARN, name)


def _evidence(group: Group, verdict: Verdict, link: Joined | None, links: Sequence[Joined]) -> tuple[Evidence, ...]:
    found = [verdict.evidence] if verdict.evidence is not None else []
    if link is not None:
        found += _of_issuance(link.issuance)
    for other in links:
        if other.issuance.kind in ("CreateAccessKey", "ConsoleLogin", "SwitchRole", "CreateOAuth2Token"):
            found += _of_issuance(other.issuance)
    addresses = (group.evidence(g.ADDRESS, address) for address in group.values(g.ADDRESS)[:CITED_ADDRESSES])
    found += [each for each in addresses if each is not None]
    return tuple(dict.fromkeys(found))


def _of_issuance(issuance: Issuance) -> list[Evidence]:
    return [
        Evidence(issuance.event_id, issuance.fields[name], value)
        for name, value in (("key", issuance.access_key), ("principal", issuance.principal_id))
        if value is not None
    ]

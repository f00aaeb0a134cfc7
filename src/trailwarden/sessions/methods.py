"""Which authentication method a credential group shows, and which field told.

The session name and every other text that a caller chooses decides only where nothing better is known.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..model.finding import Evidence
from ..model.session import AuthMethod
from . import groups as g
from .groups import Group
from .issuances import Issuance, IssuanceKind, Joined
from .reading import INSTANCE_ID, RESERVED_NAME, RESERVED_PATH, SIGN_IN, flag

LINKED_PATH = "/aws-service-role/"
#: The services that equip a workload, and the method that a role session from them is.
_EQUIPPING: dict[str, AuthMethod] = {
    "ec2.amazonaws.com": "instance_profile",
    "lambda.amazonaws.com": "lambda",
    "pods.eks.amazonaws.com": "pod_identity",
}
#: inScopeOf: the service in credentialsIssuedTo, or issuerType, and the method that it tells.
_WORKLOADS: tuple[tuple[str, str, AuthMethod], ...] = (
    (":ec2:", "AWS::EC2::Instance", "instance_profile"),
    (":lambda:", "AWS::Lambda::Function", "lambda"),
)


class Verdict(NamedTuple):
    """A method, a sentence on what told it, and the record that did."""

    method: AuthMethod
    reason: str
    evidence: Evidence | None = None


def method_of(group: Group, links: Sequence[Joined]) -> Verdict:
    """The method of a group, with the issuances that belong to it."""
    return _METHODS[group.kind](group, links)


def reserved_role(group: Group) -> str | None:
    """The role's ARN if it is one of Identity Center's, by the path that IAM reserves for it."""
    role = group.role_arn
    return role if role is not None and RESERVED_PATH in role else None


def is_identity_center_provider(provider: str | None) -> bool:
    """Whether it is the SAML provider that Identity Center makes in an account."""
    name = (provider or "").rsplit("/", 1)[-1]
    return name.startswith("AWSSSO_") and name.endswith("_DO_NOT_DELETE")


def is_for_pods(provider: str | None, subject: str | None) -> bool:
    """Whether a web identity is a Kubernetes service account's."""
    return (subject or "").startswith("system:serviceaccount:") or "oidc.eks." in (provider or "")


def _of(links: Sequence[Joined], kind: IssuanceKind) -> Issuance | None:
    return next((link.issuance for link in links if link.issuance.kind == kind), None)


def _shown(group: Group, field: str, method: AuthMethod, reason: str) -> Verdict:
    return Verdict(method, reason, group.evidence(field))


def _aws_login(group: Group, links: Sequence[Joined]) -> Verdict | None:
    if group.value(g.SIGN_IN_SESSION) is not None:
        return _shown(
            group, g.SIGN_IN_SESSION, "aws_login", "sessionContext.signInSessionArn names a browser's sign-in"
        )
    token = _of(links, "CreateOAuth2Token")
    if token is not None:
        return Verdict(
            "aws_login",
            "CreateOAuth2Token gave the key to a local client",
            Evidence(token.event_id, g.ACCESS_KEY, token.access_key or ""),
        )
    return None


def _role(group: Group, links: Sequence[Joined]) -> Verdict:
    steps = (_aws_login, _reserved, _delivered, _assertion, _pod_identity, _assumed, _linked_role, _switched)
    for step in steps:
        if (verdict := step(group, links)) is not None:
            return verdict
    return _by_name(group)


def _reserved(group: Group, _links: Sequence[Joined]) -> Verdict | None:
    if reserved_role(group) is not None:
        reason = "the role is in Identity Center's path aws-reserved/sso.amazonaws.com"
        return _shown(group, g.ISSUER_ARN, "identity_center", reason)
    return None


def _delivered(group: Group, _links: Sequence[Joined]) -> Verdict | None:
    delivery, to = group.value(g.ROLE_DELIVERY), group.value(g.ISSUED_TO) or ""
    if delivery is not None:
        version = {"1.0": " (IMDSv1)", "2.0": " (IMDSv2)"}.get(delivery, "")
        reason = f"sessionContext.ec2RoleDelivery {delivery}{version}"
        return _shown(group, g.ROLE_DELIVERY, "instance_profile", reason)
    kind = group.value(g.ISSUED_TO_TYPE)
    for service, type_, method in _WORKLOADS:
        if service in to or kind == type_:
            field = g.ISSUED_TO if to else g.ISSUED_TO_TYPE
            return _shown(group, field, method, f"{field.removeprefix('userIdentity.')} is {to or kind}")
    return None


def _assertion(group: Group, links: Sequence[Joined]) -> Verdict | None:
    saml, web = _of(links, "AssumeRoleWithSAML"), _of(links, "AssumeRoleWithWebIdentity")
    if saml is not None:
        return _saml(saml)
    if web is not None:
        evidence = Evidence(
            web.event_id, "responseElements.subjectFromWebIdentityToken", web.subject or web.provider or ""
        )
        if is_for_pods(web.provider, web.subject):
            return Verdict("irsa", "AssumeRoleWithWebIdentity by a Kubernetes service account", evidence)
        return Verdict("oidc", f"AssumeRoleWithWebIdentity by {web.provider or 'an unnamed provider'}", evidence)
    field = g.WEB_PROVIDER if group.value(g.WEB_PROVIDER) is not None else g.WEB_SUBJECT
    if group.value(field) is not None:
        pods = is_for_pods(group.value(g.WEB_PROVIDER), group.value(g.WEB_SUBJECT))
        reason = f"sessionContext.webIdFederationData names {group.value(field)}"
        return _shown(group, field, "irsa" if pods else "oidc", reason)
    login = _of(links, "ConsoleLogin")
    if login is not None and login.provider is not None:
        return Verdict(
            "identity_center" if is_identity_center_provider(login.provider) else "saml",
            f"ConsoleLogin with SamlProviderArn {login.provider}",
            Evidence(login.event_id, "additionalEventData.SamlProviderArn", login.provider),
        )
    return None


def _saml(issuance: Issuance) -> Verdict:
    provider = issuance.provider or ""
    evidence = Evidence(issuance.event_id, "requestParameters.principalArn", provider)
    if is_identity_center_provider(provider):
        return Verdict("identity_center", "AssumeRoleWithSAML by Identity Center's own provider AWSSSO_*", evidence)
    return Verdict("saml", f"AssumeRoleWithSAML by {provider or 'an unnamed provider'}", evidence)


def _pod_identity(_group: Group, links: Sequence[Joined]) -> Verdict | None:
    pod = _of(links, "AssumeRoleForPodIdentity")
    if pod is None:
        return None
    evidence = Evidence(pod.event_id, pod.fields["principal"], pod.principal_id or "")
    return Verdict("pod_identity", "eks-auth AssumeRoleForPodIdentity issued the session", evidence)


def _assumed(group: Group, links: Sequence[Joined]) -> Verdict | None:
    issuance = _of(links, "AssumeRole")
    if issuance is None:
        return None
    caller = issuance.caller
    if caller.kind == "aws_service":
        service = issuance.service or caller.name or "an unnamed service"
        evidence = Evidence(issuance.event_id, g.INVOKED_BY, service)
        return Verdict(_EQUIPPING.get(service, "aws_service"), f"AssumeRole by {service}", evidence)
    return _between(group, issuance, "userIdentity.accountId", f"AssumeRole by {caller.name or 'somebody'}")


def _between(group: Group, issuance: Issuance, field: str, what: str) -> Verdict:
    account = issuance.caller.account
    evidence = Evidence(issuance.event_id, field, account or "")
    if account is None:
        return Verdict("unknown", f"{what}, whose account is not recorded", evidence)
    if account == group.account:
        return Verdict("role_chain", f"{what} of the same account", evidence)
    return Verdict("cross_account", f"{what} of account {account}", evidence)


def _linked_role(group: Group, _links: Sequence[Joined]) -> Verdict | None:
    if LINKED_PATH in (group.role_arn or ""):
        return _shown(group, g.ISSUER_ARN, "aws_service", "the role is linked to a service (path aws-service-role)")
    return None


def _switched(group: Group, links: Sequence[Joined]) -> Verdict | None:
    switch = _of(links, "SwitchRole")
    if switch is None:
        return None
    return _between(
        group, switch, "additionalEventData.SwitchFrom", f"console SwitchRole by {switch.caller.name or 'somebody'}"
    )


def _by_name(group: Group) -> Verdict:
    name, arn = group.session_name or "", group.value(g.ARN) or ""
    role = arn.split(":assumed-role/", 1)[-1].split("/", 1)[0]
    if RESERVED_NAME.fullmatch(role) or role.startswith("AWSReservedSSO_"):
        reason = f"the role is called {role}, as Identity Center's are; its path is not recorded"
        return _shown(group, g.ARN, "identity_center", reason)
    if INSTANCE_ID.fullmatch(name):
        reason = f"the session is called {name}, as EC2 names those of an instance; nothing else tells"
        return Verdict("instance_profile", reason, _named(group))
    missing = "the record that issued the session is not at hand"
    if group.created is None:
        missing += ", and neither is its creationDate"
    return Verdict("unknown", missing)


def _named(group: Group) -> Evidence | None:
    if group.principal_id is None or ":" not in group.principal_id:
        return group.evidence(g.ARN)
    return Evidence(group.first_event, "userIdentity.principalId", group.principal_id)


def _user_session(group: Group, links: Sequence[Joined]) -> Verdict:
    if (verdict := _aws_login(group, links)) is not None:
        return verdict
    token = next((link for link in links if link.issuance.kind == "GetSessionToken"), None)
    login = _of(links, "ConsoleLogin")
    if group.value(g.CONSOLE) is not None:
        return _shown(group, g.CONSOLE, "iam_user_console", "sessionCredentialFromConsole")
    if login is not None and (token is None or token.rank < 2):
        evidence = Evidence(login.event_id, "userIdentity.principalId", login.principal_id or "")
        return Verdict("iam_user_console", "a ConsoleLogin of the user at the creationDate", evidence)
    if token is not None:
        issued = token.issuance
        evidence = Evidence(issued.event_id, issued.fields["key"], issued.access_key or "")
        return Verdict("session_token", "GetSessionToken issued the key", evidence)
    invoked_by = group.values(g.INVOKED_BY)
    if SIGN_IN in invoked_by:
        reason = f"invokedBy {SIGN_IN}, as calls from the console are"
        return Verdict("iam_user_console", reason, group.evidence(g.INVOKED_BY, SIGN_IN))
    if not group.direct:
        reason = f"a forward access session: {invoked_by[0]} called for the user (invokedBy)"
        return _shown(group, g.INVOKED_BY, "aws_service", reason)
    if group.created is None:
        return _shown(
            group, g.ACCESS_KEY, "session_token", "an IAM user's temporary key (ASIA), without sessionContext"
        )
    return _shown(group, g.ACCESS_KEY, "session_token", "type IAMUser with a temporary key and a sessionContext")


def _user_key(group: Group, _links: Sequence[Joined]) -> Verdict:
    key = group.value(g.ACCESS_KEY) or ""
    told = "a long-lived access key (AKIA)" if key.startswith("AKIA") else "an access key, and no sessionContext"
    return _shown(group, g.ACCESS_KEY, "iam_user_key", f"type IAMUser with {told}")


def _user_sign_in(group: Group, _links: Sequence[Joined]) -> Verdict:
    return _shown(group, g.TYPE, "iam_user_console", "sign-in records of type IAMUser, made without credentials")


def _user(group: Group, _links: Sequence[Joined]) -> Verdict:
    reason = "type IAMUser, with neither an access key nor a creationDate to tell which credentials"
    return _shown(group, g.TYPE, "unknown", reason)


def _root(group: Group, links: Sequence[Joined]) -> Verdict:
    if flag(group.value(g.ASSUMED_ROOT)):
        return _shown(group, g.ASSUMED_ROOT, "assumed_root", "sessionContext.assumedRoot")
    assumed = _of(links, "AssumeRoot")
    if assumed is not None:
        evidence = Evidence(assumed.event_id, assumed.fields["key"], assumed.access_key or "")
        return Verdict("assumed_root", "AssumeRoot issued the key", evidence)
    return _shown(group, g.TYPE, "root", "type Root")


def _federated(group: Group, _links: Sequence[Joined]) -> Verdict:
    return _shown(group, g.TYPE, "federation_token", "type FederatedUser")


def _identity_center(group: Group, _links: Sequence[Joined]) -> Verdict:
    if group.value(g.TYPE) == "IdentityCenterUser":
        return _shown(group, g.TYPE, "identity_center", "type IdentityCenterUser")
    if group.value(g.BEHALF_USER) is not None:
        return _shown(group, g.BEHALF_USER, "identity_center", "onBehalfOf names a user of Identity Center")
    reason = "type Unknown in a record of Identity Center, as before type IdentityCenterUser"
    return _shown(group, g.TYPE, "identity_center", reason)


def _saml_user(group: Group, links: Sequence[Joined]) -> Verdict:
    issuance = _of(links, "AssumeRoleWithSAML")
    return _saml(issuance) if issuance is not None else _shown(group, g.TYPE, "saml", "type SAMLUser")


def _web_identity(group: Group, _links: Sequence[Joined]) -> Verdict:
    if is_for_pods(group.value(g.IDENTITY_PROVIDER), group.value(g.USER_NAME)):
        return _shown(group, g.USER_NAME, "irsa", "type WebIdentityUser of a Kubernetes service account")
    return _shown(group, g.TYPE, "oidc", "type WebIdentityUser")


def _service(group: Group, _links: Sequence[Joined]) -> Verdict:
    return _shown(group, g.TYPE, "aws_service", "type AWSService")


def _external(group: Group, _links: Sequence[Joined]) -> Verdict:
    if group.account == "ANONYMOUS_PRINCIPAL":
        return _shown(group, g.TYPE, "unknown", "an anonymous call, made without credentials")
    reason = "the caller is of another account, whose own records of the calls are not at hand (type AWSAccount)"
    return _shown(group, g.TYPE, "unknown", reason)


def _other(group: Group, _links: Sequence[Joined]) -> Verdict:
    kind = group.value(g.TYPE)
    reason = f"userIdentity.type {kind} tells no method" if kind else "userIdentity has no type"
    return _shown(group, g.TYPE, "unknown", reason)


def _none(_group: Group, _links: Sequence[Joined]) -> Verdict:
    return Verdict("unknown", "the record has no userIdentity, or an empty one")


_METHODS: dict[g.GroupKind, Callable[[Group, Sequence[Joined]], Verdict]] = {
    "role": _role,
    "user_session": _user_session,
    "user_key": _user_key,
    "user_sign_in": _user_sign_in,
    "user": _user,
    "root": _root,
    "federated": _federated,
    "identity_center": _identity_center,
    "saml": _saml_user,
    "web_identity": _web_identity,
    "service": _service,
    "external": _external,
    "other": _other,
    "none": _none,
}

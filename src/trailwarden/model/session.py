"""Sessions: who used which credentials, how they were issued, and who stands behind them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from .finding import Evidence

#: How the credentials of a session came to be.
AuthMethod = Literal[
    "identity_center",  # a person of IAM Identity Center: the portal's sign-in, or a session of a reserved role
    "saml",  # AssumeRoleWithSAML by another provider
    "oidc",  # AssumeRoleWithWebIdentity
    "irsa",  # the same, for a Kubernetes service account
    "pod_identity",  # AssumeRoleForPodIdentity
    "iam_user_console",  # a console session of an IAM user
    "iam_user_key",  # a long-lived access key
    "session_token",  # GetSessionToken
    "federation_token",  # GetFederationToken
    "root",  # the root user: console or key
    "assumed_root",  # AssumeRoot from the organisation's management account
    "instance_profile",  # a role delivered to an EC2 instance
    "lambda",  # a role delivered to a function
    "aws_service",  # an AWS service itself, or a role that it assumed
    "cross_account",  # AssumeRole by a principal of another account
    "role_chain",  # AssumeRole by a principal of the same account
    "aws_login",  # keys that a browser's sign-in gave to a local client
    "unknown",  # the records at hand do not tell; ``reason`` says what is missing
]
AUTH_METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)

#: ``proven``: AWS says so in a record (issued key, assumedRoleId and time, SourceIdentity, onBehalfOf, the
#: userIdentity itself). ``claimed``: a name that the caller chose.
Strength = Literal["proven", "claimed"]

ChainKind = Literal[
    "identity_center_user",
    "saml_user",
    "web_identity",
    "iam_user",
    "root",
    "role_session",
    "federated_user",
    "ec2_instance",
    "lambda_function",
    "kubernetes_service_account",
    "aws_service",
    "external_principal",  # of an account whose own records are not at hand
    "unknown",
]

#: What the kinds are called in sentences.
KIND_WORDS: Mapping[ChainKind, str] = {
    "identity_center_user": "Identity Center user",
    "saml_user": "SAML user",
    "web_identity": "web identity",
    "iam_user": "IAM user",
    "root": "the root user",
    "role_session": "role session",
    "federated_user": "federated user",
    "ec2_instance": "EC2 instance",
    "lambda_function": "Lambda function",
    "kubernetes_service_account": "Kubernetes service account",
    "aws_service": "AWS service",
    "external_principal": "a principal of another account",
    "unknown": "someone who gave the name",
}

IdentifierKind = Literal[
    "email",
    "iam_user",  # ARN of an IAM user
    "iam_user_name",
    "identity_center_user",  # userId, unique in its identity store
    "saml_subject",
    "oidc_subject",
    "federated_user",  # the name given to GetFederationToken
    "source_identity",
    "session_name",
    "principal_id",  # AIDA…: an IAM user's unique id
]


class Identifier(msgspec.Struct, frozen=True, order=True):
    """Something in a session that names a person or a workload; ``evidence`` is the record that holds it."""

    kind: IdentifierKind
    value: str
    strength: Strength
    evidence: Evidence


class ChainStep(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands behind the step before (the first step: behind the session), and how that is known.

    ``by`` says what links them, in CloudTrail's terms (``issued access key``, ``assumedRoleId and creation
    time``, ``sharedEventID``, ``SourceIdentity``, ``onBehalfOf``, ``userIdentity``, ``session name``).
    ``session_id`` is set where the step is itself a session in the records, ``event_id`` where a record
    shows the link.
    """

    kind: ChainKind
    name: str | None
    arn: str | None
    account: str | None
    link: Strength
    by: str
    session_id: str | None = None
    event_id: str | None = None


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """The call that issued a session's credentials, and who made it. ``session_id``: the caller's own session."""

    event_id: str
    event_name: str
    time: datetime
    kind: ChainKind
    name: str | None
    arn: str | None
    account: str | None
    access_key: str | None
    source_ip: str | None
    by: str
    session_id: str | None = None


class OnBehalfOf(msgspec.Struct, frozen=True):
    """The Identity Center user that a session acts for."""

    user_id: str
    identity_store_arn: str | None


class Provider(msgspec.Struct, frozen=True):
    """An identity provider: its ARN where there is one, its name, and the subject that it vouched for."""

    name: str
    arn: str | None = None
    subject: str | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What one set of credentials did: a credential group (account, principalId, creation time), or a long-lived key.

    ``session_id`` depends on nothing but the group. ``account`` is the account that the credentials belong
    to, ``recorded_in`` those whose trails hold its calls. ``events`` counts calls, ``errors`` those of them
    that failed; the two copies of a cross-account call count once. ``access_keys`` may be many: the console
    makes one a request. ``source_ips`` leaves out calls that a service made for the session. ``identifiers``
    are the session's own, without those of who stands behind it. ``chain`` begins at what issued the
    session and ends at the person or workload, as far as the records tell. ``strength`` is the weakest link
    of the chain. ``reason`` says what told the method.
    """

    session_id: str
    account: str | None
    method: AuthMethod
    reason: str
    principal_id: str | None
    principal_arn: str | None
    role_arn: str | None
    session_name: str | None
    user_name: str | None
    access_keys: tuple[str, ...]
    created: datetime | None
    issuer: Issuer | None
    chain: tuple[ChainStep, ...]
    strength: Strength
    first_seen: datetime
    last_seen: datetime
    regions: tuple[str, ...]
    source_ips: tuple[str, ...]
    user_agents: tuple[str, ...]
    recorded_in: tuple[str, ...]
    events: int
    errors: int
    source_identity: str | None
    on_behalf_of: OnBehalfOf | None
    web_identity: Provider | None
    saml: Provider | None
    mfa: bool | None
    identifiers: tuple[Identifier, ...]
    evidence: tuple[Evidence, ...]

    @property
    def root(self) -> ChainStep | None:
        """Who stands behind the session in the end, as far as the records tell."""
        return self.chain[-1] if self.chain else None


#: A limit on how many rows an answer holds.
SessionLimit = Annotated[int, Meta(ge=1, le=10_000, description="How many sessions the answer holds at most")]


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which sessions: all given fields must hold (AND), any value of one field suffices (OR).

    Values match whole, without regard to case, ``*`` stands for any run of characters; an address may be a CIDR.
    """

    user: tuple[str, ...] = ()  # any identifier of the session: session name, user name, SourceIdentity, subject
    role: tuple[str, ...] = ()  # name or ARN
    access_key: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    account: tuple[str, ...] = ()  # that the credentials belong to, or that recorded a call
    region: tuple[str, ...] = ()
    method: tuple[AuthMethod, ...] = ()

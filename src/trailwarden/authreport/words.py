"""The report in sentences, and its limits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..model.session import AuthMethod
from ..model.time import format_instant
from .methods import MFA_TOLD
from .seen import Records
from .values import Configured, MethodUse, Unmatched, UnmatchedKind

#: How each method is said in a sentence.
METHOD_WORDS: Mapping[AuthMethod, str] = {
    "identity_center": "IAM Identity Center",
    "saml": "SAML federation",
    "oidc": "OpenID Connect",
    "irsa": "Kubernetes service accounts (IRSA)",
    "pod_identity": "EKS Pod Identity",
    "iam_user_console": "console sign-in of IAM users",
    "iam_user_key": "long-lived keys of IAM users",
    "session_token": "GetSessionToken",
    "federation_token": "GetFederationToken",
    "root": "the root user",
    "assumed_root": "AssumeRoot",
    "instance_profile": "EC2 instance profiles",
    "lambda": "Lambda functions",
    "aws_service": "AWS services",
    "cross_account": "roles assumed from another account",
    "role_chain": "roles assumed within the account",
    "aws_login": "aws login",
    "unknown": "credentials whose origin is not in the records",
}
_PEOPLES: tuple[AuthMethod, ...] = (
    "identity_center",
    "saml",
    "oidc",
    "iam_user_console",
    "iam_user_key",
    "session_token",
    "federation_token",
    "aws_login",
    "root",
    "assumed_root",
)
_ASSUMED: frozenset[AuthMethod] = frozenset({"cross_account", "role_chain"})
_KIND_WORDS: Mapping[UnmatchedKind, tuple[str, str]] = {
    "saml_provider": ("SAML provider", "SAML providers"),
    "oidc_provider": ("OpenID Connect provider", "OpenID Connect providers"),
    "identity_center": ("Identity Center instance", "Identity Center instances"),
    "identity_center_user": ("Identity Center user", "Identity Center users"),
    "permission_set": ("permission set", "permission sets"),
    "iam_user": ("IAM user", "IAM users"),
    "access_key": ("access key", "access keys"),
}


def summary_of(
    methods: Sequence[MethodUse],
    configured: Configured,
    unused: Sequence[Unmatched],
    unknown: Sequence[Unmatched],
    labels: Mapping[str, str],
) -> Iterator[str]:
    """The sentences; each number in them is in the report."""
    if not methods:
        yield "No session is in the records at hand."
    people = [use for use in methods if use.people and use.method in _PEOPLES]
    if people:
        ordered = sorted(people, key=lambda use: (-use.people, use.method))
        said = [_said(use, use.people, "person", "people", labels) for use in ordered]
        yield f"People enter through {_listed(said)}."
    equipped = [use for use in methods if use.workloads and use.method not in _ASSUMED]
    workloads = sorted(equipped, key=lambda use: (-use.workloads, use.method))
    if workloads:
        said = [_said(use, use.workloads, "workload", "workloads", labels) for use in workloads]
        yield f"Workloads come through {_listed(said)}."
    for use in (use for use in methods if use.method in _ASSUMED):
        nobody = f"; of {use.unattributed:,} the records at hand do not tell whose" if use.unattributed else ""
        yield (
            f"{METHOD_WORDS[use.method].capitalize()}: {_count(use.sessions, 'session', 'sessions')} of "
            f"{_count(use.people, 'person', 'people')} and {_count(use.workloads, 'workload', 'workloads')}{nobody}."
        )
    for use in methods:
        if use.mfa.known and use.method in MFA_TOLD:
            without = use.mfa.known - use.mfa.with_mfa
            yield (
                f"Of {_count(use.mfa.known, 'session', 'sessions')} by {METHOD_WORDS[use.method]} whose MFA is "
                f"recorded, {without:,} had none."
            )
    for use in methods:
        if use.method == "unknown":
            said_sessions = _count(use.sessions, "session", "sessions")
            yield f"How {said_sessions} ({use.events:,} events) began, the records at hand do not tell."
    users = configured.iam_users
    if users is not None:
        keys = f" and {users.with_active_keys:,} with active keys" if users.with_active_keys is not None else ""
        oldest = f"; the oldest active key is {users.oldest_key_days:,} days old" if users.oldest_key else ""
        yield (
            f"{_count(users.total, 'IAM user is', 'IAM users are')} configured, {users.console_password:,} with a "
            f"console password ({users.console_without_mfa:,} of them without MFA){keys}{oldest}."
        )
    if unused:
        yield f"Configured, and not in the records at hand: {_kinds(unused)}."
    if unknown:
        yield f"In the records, and not in the configuration: {_kinds(unknown)}."


def _said(use: MethodUse, count: int, one: str, many: str, labels: Mapping[str, str]) -> str:
    federated = use.method in {"saml", "oidc"}
    names = sorted({provider.name for provider in use.providers if provider.name}) if federated else []
    through = f" by {_listed(names)}" if 0 < len(names) <= 3 else f" by {len(names)} providers" if names else ""
    where = (
        f" in {_listed([labels.get(account, account) for account in use.accounts])}"
        if 0 < len(use.accounts) <= 3
        else f" in {len(use.accounts)} accounts"
    )
    return (
        f"{METHOD_WORDS[use.method]}{through} ({_count(count, one, many)}, "
        f"{_count(use.sessions, 'session', 'sessions')}{where})"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _kinds(unmatched: Sequence[Unmatched]) -> str:
    counts = Counter(each.kind for each in unmatched)
    return _listed([_count(counts[kind], *words) for kind, words in _KIND_WORDS.items() if counts[kind]])


def notes_on(records: Records, configured: Configured) -> Iterator[str]:
    """What the report cannot know."""
    if records.first is not None and records.last is not None:
        yield (
            f"Absence in the records is not disuse: those at hand are of {len(records.accounts)} account(s), from "
            f"{format_instant(records.first)} to {format_instant(records.last)}."
        )
    yield "An identity provider asks for MFA itself: of federated sessions AWS records only whether AWS's own was used."
    for account, parts in configured.not_read.items():
        yield (
            f"Account {account}: {', '.join(parts)} not read, so nothing is said there of what is unused or unknown."
        )

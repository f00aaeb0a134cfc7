"""Who may assume a role, in plain words, and what is wrong with that.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user_externalid.html (External ID),
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html (providers' subjects and audiences),
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html.

Blind spots: whether an identity provider itself hands out tokens to strangers (beyond the shared ones in
``PROVIDERS``) is not in the account. A Deny with conditions on a federated principal's token is not weighed.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import msgspec

from ..model.iam_report import IamEvidence, TrustLine
from ..model.policy import Condition, IamRole, Policy, PolicySource, PrincipalPattern, Statement
from .matching import any_matches
from .matching import pattern as text_pattern
from .outside import outsiders, way_in
from .principals import account_named

ASSUME, ASSUME_SAML, ASSUME_WEB = "sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"
_SOURCE_KEYS = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"})
#: Operators that let in only what they list.
_LISTING = frozenset({"StringEquals", "StringLike", "StringEqualsIgnoreCase", "ArnEquals", "ArnLike"})
#: Those of them in which ``*`` and ``?`` stand for others.
_WILDCARDS = frozenset({"StringLike", "ArnEquals", "ArnLike"})
_DELETED = ("AIDA", "AROA")

#: What a service's principal stands for, where its name does not say so.
SERVICES: Mapping[str, str] = {
    "apigateway": "API Gateway",
    "cloudformation": "CloudFormation stacks",
    "codebuild": "CodeBuild projects",
    "codepipeline": "CodePipeline pipelines",
    "ec2": "EC2 instances",
    "ecs": "the ECS service",
    "ecs-tasks": "ECS tasks",
    "edgelambda": "Lambda@Edge functions",
    "eks": "EKS clusters",
    "events": "EventBridge rules",
    "firehose": "Firehose streams",
    "glue": "Glue jobs",
    "lambda": "Lambda functions",
    "pods.eks": "EKS pods (Pod Identity)",
    "rds": "RDS databases",
    "sagemaker": "SageMaker notebooks and jobs",
    "scheduler": "EventBridge schedules",
    "ssm": "Systems Manager",
    "states": "Step Functions state machines",
    "vpc-flow-logs": "VPC flow logs",
}
#: Services that assume a role which the configuration of any customer may name, so that AWS asks to limit the trust by
#: aws:SourceArn or aws:SourceAccount, each with the page that asks for it.
DEPUTIES: Mapping[str, str] = {
    "bedrock": "https://docs.aws.amazon.com/bedrock/latest/userguide/cross-service-confused-deputy-prevention.html",
    "scheduler": "https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html",
    "vpc-flow-logs": "https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html",
}


class Provider(msgspec.Struct, frozen=True):
    """An identity provider whose tokens AWS takes.

    ``subject`` says whom a token stands for. ``limiting`` are the claims that may limit it. ``owner``: what a value
    begins with, and the sign that ends the owner's name, within which a wildcard lets in other customers of the
    provider.
    """

    name: str
    subject: str
    limiting: tuple[str, ...] = ("sub",)
    owner: tuple[str, str] | None = None


#: By the provider's host, as its ARN and condition keys have it.
PROVIDERS: Mapping[str, Provider] = {
    "token.actions.githubusercontent.com": Provider(
        "GitHub Actions",
        "of any repository on GitHub",
        ("sub", "repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref"),
        ("repo:", "/"),
    ),
    "gitlab.com": Provider("GitLab CI", "of any project on gitlab.com", ("sub",), ("project_path:", "/")),
    "app.terraform.io": Provider(
        "HCP Terraform", "of any organization on HCP Terraform", ("sub",), ("organization:", ":")
    ),
    "agent.buildkite.com": Provider("Buildkite", "of any organization on Buildkite", ("sub",), ("organization:", ":")),
    "accounts.google.com": Provider("Google", "with any Google account", ("sub", "aud", "oaud")),
    "cognito-identity.amazonaws.com": Provider("Cognito identities", "of any identity pool", ("aud", "sub")),
    "graph.facebook.com": Provider("Facebook", "with any Facebook account", ("app_id", "id")),
    "www.amazon.com": Provider("Login with Amazon", "with any Amazon account", ("app_id", "user_id")),
}
_EKS = Provider("EKS pods", "of any service account of the cluster")
_OTHER = Provider("identities", "that the provider gives a token for")


class Concern(msgspec.Struct, frozen=True):
    """What is wrong with a way in: a finding's id, why, and whether it rests on a condition that is not known."""

    id: str
    why: str
    certain: bool = True


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One way into a role: a principal of one statement, the statement's index and Sid, and its concerns."""

    who: str
    how: str
    conditions: tuple[str, ...]
    concerns: tuple[Concern, ...]
    statement: int
    sid: str | None
    text: str

    def evidence(self, role: IamRole) -> IamEvidence:
        """The statement of the role's trust policy."""
        return IamEvidence(
            policy="trust policy", holder=role.arn, statement=self.statement, sid=self.sid, text=self.text
        )


def trust_lines(role: IamRole, account: str, known_accounts: Iterable[str] = ()) -> tuple[TrustLine, ...]:
    """A role's trust policy in plain words. ``known_accounts`` are the owner's other accounts.

    Empty for a role that nobody may assume, or whose trust policy could not be read.
    """
    return tuple(
        TrustLine(
            who=entry.who,
            how=entry.how,
            conditions=entry.conditions,
            concern=entry.concerns[0].id if entry.concerns else "",
            statement=entry.evidence(role),
        )
        for entry in trust_entries(role, account, known_accounts)
    )


def trust_entries(role: IamRole, account: str, known_accounts: Iterable[str] = ()) -> tuple[Entry, ...]:
    """Every way into a role with all of its concerns; see `trust_lines`."""
    if role.trust is None:
        return ()
    own = frozenset((account, *known_accounts))
    return _entries(role.trust.statements, role.trust.version, account, own, role.service_linked)


@lru_cache(maxsize=16384)
def _entries(
    statements: tuple[Statement, ...], version: str, account: str, own: frozenset[str], service_linked: bool
) -> tuple[Entry, ...]:
    policy = Policy(source=PolicySource(kind="trust", name="trust"), statements=statements, version=version)
    reader = _Reader(policy=policy, account=account, own=own, service_linked=service_linked)
    return tuple(entry for each in statements if each.effect == "Allow" for entry in reader.entries(each))


class _Reader(msgspec.Struct, frozen=True, kw_only=True):
    policy: Policy
    account: str
    own: frozenset[str]
    service_linked: bool

    def entries(self, statement: Statement) -> Iterator[Entry]:
        how = next((each for each in (ASSUME, ASSUME_SAML, ASSUME_WEB) if _speaks_of(statement, each)), None)
        if how is None:
            return
        if statement.principals is None:
            spared = ", ".join(map(str, statement.not_principals or ()))
            why = "Allow with NotPrincipal lets in everyone who is not listed, strangers included"
            yield self._entry(
                statement, f"everyone but {spared or 'nobody'} (!)", how, (Concern("iam-trust-not-principal", why),)
            )
            return
        for principal in statement.principals:
            who, concerns = self._principal(statement, principal)
            yield self._entry(statement, who, _action_of(principal, how), tuple(concerns), str(principal))

    def _entry(
        self, statement: Statement, who: str, how: str, concerns: tuple[Concern, ...], principal: str = ""
    ) -> Entry:
        return Entry(
            who=who,
            how=how,
            conditions=tuple(map(str, statement.conditions)),
            concerns=concerns,
            statement=statement.index,
            sid=statement.sid,
            text=principal or "NotPrincipal",
        )

    def _principal(self, statement: Statement, principal: PrincipalPattern) -> tuple[str, list[Concern]]:
        if principal.type == "Service":
            return self._service(statement, principal.value)
        if principal.type == "Federated":
            return self._federated(statement, principal.value)
        if principal.value == "*":
            return self._anyone(statement)
        if principal.type == "CanonicalUser":
            return f"the account of canonical user {principal.value}", []
        return self._aws(statement, principal.value)

    # --- AWS ---

    def _aws(self, statement: Statement, value: str) -> tuple[str, list[Concern]]:
        if value.startswith(_DELETED):
            why = f"{value} is the id of a user or role that was deleted: nobody can use it, nor a new one of that name"
            return f"nobody: {value} was deleted", [Concern("iam-trust-deleted-principal", why)]
        whole = account_named(value)
        account = whole or (value.split(":")[4] if value.count(":") >= 5 else "")
        if whole is None:
            who = f"{_entity(value)} of {self._named(account)}"
        elif whole == self.account:
            return "any principal of this account whose own policy allows it", []
        else:
            who = f"anyone in {self._named(whole)} whose own policy allows it"
        if account in self.own or not account:
            return who, []
        return who, self._external(statement, account, value if whole is None else None)

    def _named(self, account: str) -> str:
        if account == self.account:
            return "this account"
        return f"account {account}{'' if account in self.own else ' (outside)'}"

    def _external(self, statement: Statement, account: str, arn: str | None) -> list[Concern]:
        """Concerns of a principal of an account that is not the owner's: a third party's."""
        callers = (arn,) if arn and ":iam:" in arn else (f"arn:aws:iam::{account}:role/outsider",)
        way = self._way(statement, callers)
        if way is None:
            return []
        unguarded = self._way(statement, callers, {"sts:ExternalId": None})
        concerns: list[Concern] = []
        if unguarded is not None:
            if arn is None:
                why = f"every principal of account {account} that its administrators let may assume it"
                concerns.append(Concern("iam-trust-external-account", why, unguarded))
            else:
                why = f"{arn} is of account {account}, which is not known as one of the owner's"
                concerns.append(Concern("iam-trust-external-principal", why, unguarded))
            why = (
                f"account {account} is outside and no sts:ExternalId is asked for: if it serves several customers, "
                "one of them can have it act on this role (confused deputy)"
            )
            concerns.insert(0, Concern("iam-trust-without-external-id", why, unguarded))
        return concerns

    def _anyone(self, statement: Statement) -> tuple[str, list[Concern]]:
        way = self._way(statement, outsiders(self.policy))
        limits = [str(each) for each in statement.conditions]
        if way is None:
            inside = f"anyone for whom {' and '.join(limits)}" if limits else "nobody: a Deny takes everyone away"
            return inside, []
        asked = f", if {' and '.join(limits)}" if limits else ""
        why = "Principal * is everyone with an AWS account" + (
            f"; what is asked for can be met by strangers{asked}" if limits else ", and nothing else is asked for"
        )
        return f"any principal of AWS (!){asked}", [Concern("iam-trust-anyone", why, way)]

    def _way(
        self, statement: Statement, callers: Iterable[str], context: Mapping[str, None] | None = None
    ) -> bool | None:
        """Whether callers from outside get in by this statement and the policy's denials; None if they do not."""
        kept = tuple(each for each in self.policy.statements if each is statement or each.effect == "Deny")
        policy = msgspec.structs.replace(self.policy, statements=kept)
        role = f"arn:aws:iam::{self.account}:role/any"
        way = way_in(policy, ASSUME, role, account=self.account, callers=tuple(callers), context=context)
        return None if way is None else way.certain

    # --- services ---

    def _service(self, statement: Statement, value: str) -> tuple[str, list[Concern]]:
        name = value.removesuffix(".cn").removesuffix(".amazonaws.com")
        who = SERVICES.get(name, f"the service {value}")
        if value == "*":
            return "any AWS service (!)", [Concern("iam-trust-anyone", "Service * is every AWS service")]
        limited = any(condition.key.lower() in _SOURCE_KEYS for condition in statement.conditions)
        page = DEPUTIES.get(name)
        if page is None or limited or self.service_linked:
            return who, []
        why = f"{value} acts for all customers: without aws:SourceArn or aws:SourceAccount, others' too ({page})"
        return who, [Concern("iam-trust-service-without-source", why)]

    # --- identity providers ---

    def _federated(self, statement: Statement, value: str) -> tuple[str, list[Concern]]:
        if value == "*":
            why = "Federated * is every identity provider of the account"
            return "any identity provider (!)", [Concern("iam-trust-oidc-without-subject", why)]
        if ":saml-provider/" in value:
            who = f"people signed in through the SAML provider {value.rpartition('/')[2]}"
            if any(_limits(each, "saml:aud") for each in statement.conditions):
                return who, []
            why = "no SAML:aud is asked for: a sign-in meant for another application of the provider is taken too"
            return who, [Concern("iam-trust-saml-without-audience", why)]
        host = value.partition(":oidc-provider/")[2] or value
        return self._oidc(statement, host)

    def _oidc(self, statement: Statement, host: str) -> tuple[str, list[Concern]]:
        provider = _provider(host)
        claims: dict[str, tuple[str, ...]] = {}
        open_values: list[str] = []
        for condition in statement.conditions:
            prefix, _, claim = condition.key.rpartition(":")
            if prefix.lower() == host.lower() and _limits(condition, condition.key):
                values = condition.values
                if condition.operator in _WILDCARDS:
                    open_values += (value for value in values if _open(value, provider))
                claims[claim.lower()] = values
        limiting = {claim: values for claim, values in claims.items() if claim in provider.limiting}
        closed = any(not set(values) & set(open_values) for values in limiting.values())
        label = provider.name if provider is not _OTHER else f"identities of {host}"
        concerns: list[Concern] = []
        if not closed:
            asked = f" ({', '.join(open_values)} lets in others' too)" if open_values else ""
            keys = " or ".join(f"{host}:{claim}" for claim in provider.limiting[:2])
            why = f"{label} {provider.subject} may assume it: no condition on {keys} limits that{asked}"
            concerns.append(Concern("iam-trust-oidc-without-subject", why))
        if "aud" not in claims and "aud" not in provider.limiting and not host.startswith("graph."):
            why = f"no condition on {host}:aud: a token that was made for another audience of the provider is taken too"
            concerns.append(Concern("iam-trust-oidc-without-audience", why))
        if not closed:
            return f"{label} {provider.subject} (!)", concerns
        return f"{label}: {_subjects(limiting)}", concerns


def _speaks_of(statement: Statement, action: str) -> bool:
    texts = statement.actions if statement.actions is not None else statement.not_actions or ()
    patterns = [text_pattern(text, ignore_case=True) for text in texts]
    named = any_matches(patterns, action.lower(), lambda _: None) is True
    return named is (statement.actions is not None)


def _action_of(principal: PrincipalPattern, how: str) -> str:
    if principal.type != "Federated":
        return how
    return ASSUME_SAML if ":saml-provider/" in principal.value else ASSUME_WEB


def _entity(value: str) -> str:
    resource = value.split(":", 5)[5] if value.count(":") >= 5 else value
    kind, _, name = resource.partition("/")
    words = {"role": "role", "user": "user", "assumed-role": "session", "federated-user": "federated user"}
    return f"{words.get(kind, kind)} {name}" if name else value


def _provider(host: str) -> Provider:
    if host.startswith("oidc.eks."):
        return _EKS
    return PROVIDERS.get(host.partition("/")[0], _OTHER)


def _limits(condition: Condition, key: str) -> bool:
    """Whether a condition lets in only values that it lists; with IfExists, also what lacks the key."""
    listed = condition.operator in _LISTING and not condition.if_exists
    return listed and condition.qualifier != "ForAllValues" and condition.key.lower() == key.lower()


def _open(value: str, provider: Provider) -> bool:
    """Whether a value lets in tokens of more than one customer of the provider (or, unshared, any token)."""
    bare = value.strip("*?")
    if not bare:
        return True
    if provider.owner is None:
        return bare in ("system:serviceaccount", "system:serviceaccount:", "system:serviceaccount:*:")
    begin, end = provider.owner
    if not value.startswith(begin):
        return any(sign in value[: len(begin)] for sign in "*?")
    owner, found, _ = value[len(begin) :].partition(end)
    return any(sign in owner for sign in "*?") or (not found and any(sign in value for sign in "*?"))


def _subjects(limiting: Mapping[str, tuple[str, ...]]) -> str:
    parts: list[str] = []
    for claim, values in limiting.items():
        parts += (_subject(value) if claim == "sub" else f"{claim} {value}" for value in values)
    return ", ".join(parts)


def _subject(value: str) -> str:
    """A token's subject in words: ``repo:org/name:ref:refs/heads/main`` is repository org/name, branch main."""
    kind, _, rest = value.partition(":")
    match kind:
        case "repo":
            name, _, what = rest.partition(":")
            branch = what.removeprefix("ref:refs/heads/")
            if what and branch != what:
                return f"repository {name}, branch {branch}"
            if what.startswith("environment:"):
                return f"repository {name}, environment {what.removeprefix('environment:')}"
            return f"repository {name}{f', {what}' if what not in ('', '*') else ''}"
        case "system" if rest.startswith("serviceaccount:"):
            namespace, _, account = rest.removeprefix("serviceaccount:").partition(":")
            return f"service account {account} in namespace {namespace}"
        case "project_path":
            return f"project {rest}"
        case _:
            return value

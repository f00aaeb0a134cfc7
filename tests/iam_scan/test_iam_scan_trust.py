"""Trust in plain words, and what is wrong with it."""

from typing import Any

import pytest
from iam_scan_kit import ACCOUNT, GITHUB, OWN_ROOT, PARTNER, ROLE, SISTER, account, finding, ids, report, role, trust

from trailwarden.iam.trust import trust_lines
from trailwarden.model.authorization import OrganizationPolicies
from trailwarden.model.iam_report import TrustLine

GITHUB_ARN = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}
EKS = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
WEB = "sts:AssumeRoleWithWebIdentity"
AUDIENCE = {f"{GITHUB}:aud": "sts.amazonaws.com"}
PARTNER_ROOT = {"AWS": f"arn:aws:iam::{PARTNER}:root"}
SAML = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/Okta"}
SAML_AUDIENCE = {"SAML:aud": "https://signin.aws.amazon.com/saml"}
ANYONE, NO_SUBJECT, NO_ID = "iam-trust-anyone", "iam-trust-oidc-without-subject", "iam-trust-without-external-id"


def github(subject: str | list[str], operator: str = "StringLike") -> dict[str, Any]:
    conditions: dict[str, Any] = {"StringEquals": dict(AUDIENCE)}
    conditions.setdefault(operator, {})[f"{GITHUB}:sub"] = subject
    return trust(GITHUB_ARN, WEB, **conditions)


def eks(subject: str | None, operator: str = "StringEquals") -> dict[str, Any]:
    conditions: dict[str, Any] = {"StringEquals": {f"{EKS}:aud": "sts.amazonaws.com"}}
    if subject:
        conditions.setdefault(operator, {})[f"{EKS}:sub"] = subject
    return trust({"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{EKS}"}, WEB, **conditions)


#: Trust statements, what the first line says, and the concerns of all; ``?`` where one rests on a condition.
CASES: dict[str, tuple[list[dict[str, Any]], str, set[str]]] = {
    "the own account": ([trust(OWN_ROOT)], "any principal of this account whose own policy allows it", set()),
    "the own account by its id": (
        [trust({"AWS": ACCOUNT})],
        "any principal of this account whose own policy allows it",
        set(),
    ),
    "a role of the own account": (
        [trust({"AWS": f"arn:aws:iam::{ACCOUNT}:role/ci/deploy"})],
        "role ci/deploy of this account",
        set(),
    ),
    "instances": ([trust({"Service": "ec2.amazonaws.com"})], "EC2 instances", set()),
    "a service without a name here": (
        [trust({"Service": "macie.amazonaws.com"})],
        "the service macie.amazonaws.com",
        set(),
    ),
    "a known account": (
        [trust({"AWS": f"arn:aws:iam::{SISTER}:root"})],
        f"anyone in account {SISTER} whose own policy allows it",
        set(),
    ),
    "all of an account outside": (
        [trust(PARTNER_ROOT)],
        f"anyone in account {PARTNER} (outside) whose own policy allows it",
        {"iam-trust-external-account", NO_ID},
    ),
    "with an External ID": (
        [trust(PARTNER_ROOT, StringEquals={"sts:ExternalId": "example-7d1f"})],
        f"anyone in account {PARTNER} (outside) whose own policy allows it",
        set(),
    ),
    "with an External ID that may be absent": (
        [trust(PARTNER_ROOT, StringEqualsIfExists={"sts:ExternalId": "example-7d1f"})],
        f"anyone in account {PARTNER} (outside) whose own policy allows it",
        {"iam-trust-external-account", NO_ID},
    ),
    "from an address": (
        [trust(PARTNER_ROOT, IpAddress={"aws:SourceIp": "192.0.2.0/24"})],
        f"anyone in account {PARTNER} (outside) whose own policy allows it",
        {"iam-trust-external-account?", f"{NO_ID}?"},
    ),
    "a role outside": (
        [trust({"AWS": f"arn:aws:iam::{PARTNER}:role/collector"})],
        f"role collector of account {PARTNER} (outside)",
        {"iam-trust-external-principal", NO_ID},
    ),
    "anyone": ([trust("*")], "any principal of AWS (!)", {ANYONE}),
    "anyone, written as AWS": ([trust({"AWS": "*"})], "any principal of AWS (!)", {ANYONE}),
    "anyone of the organisation": (
        [trust("*", StringEquals={"aws:PrincipalOrgID": "o-exampleorg1"})],
        "anyone for whom StringEquals aws:PrincipalOrgID o-exampleorg1",
        set(),
    ),
    "anyone of the organisation, or of none": (
        [trust("*", StringEqualsIfExists={"aws:PrincipalOrgID": "o-exampleorg1"})],
        "any principal of AWS (!), if StringEqualsIfExists aws:PrincipalOrgID o-exampleorg1",
        {ANYONE},
    ),
    "anyone outside of the organisation is denied": (
        [
            trust("*"),
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sts:AssumeRole",
                "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-exampleorg1"}},
            },
        ],
        "nobody: a Deny takes everyone away",
        set(),
    ),
    "anyone by a role of the account": (
        [trust("*", ArnLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ops-*"})],
        f"anyone for whom ArnLike aws:PrincipalArn arn:aws:iam::{ACCOUNT}:role/ops-*",
        set(),
    ),
    "anyone by the name of a role": (
        [trust("*", ArnLike={"aws:PrincipalArn": "arn:aws:iam::*:role/ops-*"})],
        "any principal of AWS (!), if ArnLike aws:PrincipalArn arn:aws:iam::*:role/ops-*",
        {ANYONE},
    ),
    "anyone with a tag of their own choice": (
        [trust("*", StringEquals={"aws:PrincipalTag/team": "ops"})],
        "any principal of AWS (!), if StringEquals aws:PrincipalTag/team ops",
        {ANYONE},
    ),
    "anyone with an External ID": (
        [trust("*", StringEquals={"sts:ExternalId": "example-7d1f"})],
        "any principal of AWS (!), if StringEquals sts:ExternalId example-7d1f",
        {f"{ANYONE}?"},
    ),
    "everyone but": (
        [{"Effect": "Allow", "NotPrincipal": OWN_ROOT, "Action": "sts:AssumeRole"}],
        f"everyone but arn:aws:iam::{ACCOUNT}:root (!)",
        {"iam-trust-not-principal"},
    ),
    "a deleted role": (
        [trust({"AWS": "AROAEXAMPLEEXAMPLEEXA"})],
        "nobody: AROAEXAMPLEEXAMPLEEXA was deleted",
        {"iam-trust-deleted-principal"},
    ),
    "a branch on GitHub": (
        [github("repo:example/shop:ref:refs/heads/main", "StringEquals")],
        "GitHub Actions: repository example/shop, branch main",
        set(),
    ),
    "an environment on GitHub": (
        [github("repo:example/shop:environment:production")],
        "GitHub Actions: repository example/shop, environment production",
        set(),
    ),
    "all repositories of an owner": (
        [github("repo:example/*")],
        "GitHub Actions: repository example/*",
        set(),
    ),
    "any owner on GitHub": ([github("repo:*")], "GitHub Actions of any repository on GitHub (!)", {NO_SUBJECT}),
    "owners whose name begins so": (
        [github("repo:example*/shop:*")],
        "GitHub Actions of any repository on GitHub (!)",
        {NO_SUBJECT},
    ),
    "one value of several is open": (
        [github(["repo:example/shop:*", "*"])],
        "GitHub Actions of any repository on GitHub (!)",
        {NO_SUBJECT},
    ),
    "an asterisk that is no wildcard": (
        [github("repo:example/*", "StringEquals")],
        "GitHub Actions: repository example/*",
        set(),
    ),
    "no subject": (
        [trust(GITHUB_ARN, WEB, StringEquals=AUDIENCE)],
        "GitHub Actions of any repository on GitHub (!)",
        {NO_SUBJECT},
    ),
    "a subject that must not be": (
        [trust(GITHUB_ARN, WEB, StringEquals=AUDIENCE, StringNotLike={f"{GITHUB}:sub": "repo:evil/*"})],
        "GitHub Actions of any repository on GitHub (!)",
        {NO_SUBJECT},
    ),
    "the owner's id for a subject": (
        [trust(GITHUB_ARN, WEB, StringEquals={**AUDIENCE, f"{GITHUB}:repository_owner_id": "12345"})],
        "GitHub Actions: repository_owner_id 12345",
        set(),
    ),
    "no audience": (
        [trust(GITHUB_ARN, WEB, StringLike={f"{GITHUB}:sub": "repo:example/shop:*"})],
        "GitHub Actions: repository example/shop",
        {"iam-trust-oidc-without-audience"},
    ),
    "a service account of a cluster": (
        [eks("system:serviceaccount:payments:api")],
        "EKS pods: service account api in namespace payments",
        set(),
    ),
    "any service account of a cluster": (
        [eks(None)],
        "EKS pods of any service account of the cluster (!)",
        {NO_SUBJECT},
    ),
    "any service account by a wildcard": (
        [eks("system:serviceaccount:*:*", "StringLike")],
        "EKS pods of any service account of the cluster (!)",
        {NO_SUBJECT},
    ),
    "Cognito without a pool": (
        [trust({"Federated": "cognito-identity.amazonaws.com"}, WEB)],
        "Cognito identities of any identity pool (!)",
        {NO_SUBJECT},
    ),
    "Cognito with a pool": (
        [
            trust(
                {"Federated": "cognito-identity.amazonaws.com"},
                WEB,
                StringEquals={"cognito-identity.amazonaws.com:aud": "eu-west-1:00000000-0000-0000-0000-000000000000"},
            )
        ],
        "Cognito identities: aud eu-west-1:00000000-0000-0000-0000-000000000000",
        set(),
    ),
    "SAML": (
        [trust(SAML, "sts:AssumeRoleWithSAML", StringEquals=SAML_AUDIENCE)],
        "people signed in through the SAML provider Okta",
        set(),
    ),
    "SAML without an audience": (
        [trust(SAML, "sts:AssumeRoleWithSAML")],
        "people signed in through the SAML provider Okta",
        {"iam-trust-saml-without-audience"},
    ),
    "a deputy": (
        [trust({"Service": "scheduler.amazonaws.com"})],
        "EventBridge schedules",
        {"iam-trust-service-without-source"},
    ),
    "a deputy that acts for the account": (
        [trust({"Service": "scheduler.amazonaws.com"}, StringEquals={"aws:SourceAccount": ACCOUNT})],
        "EventBridge schedules",
        set(),
    ),
}


def lines(statements: list[dict[str, Any]]) -> tuple[TrustLine, ...]:
    snapshot = account(roles=[role(trusts=statements)])
    return trust_lines(snapshot.authorization.roles[ROLE], ACCOUNT, [SISTER])


@pytest.mark.parametrize(("statements", "who", "concerns"), CASES.values(), ids=CASES)
def test_trust(statements: list[dict[str, Any]], who: str, concerns: set[str]) -> None:
    found = report(account(roles=[role(trusts=statements)]), known_accounts=[SISTER])
    assert lines(statements)[0].who == who
    assert ids(found) == concerns


def test_a_line_names_its_statement_and_conditions() -> None:
    line = lines(
        [trust({"Service": "ec2.amazonaws.com"}), trust(PARTNER_ROOT, Bool={"aws:MultiFactorAuthPresent": "true"})]
    )[1]
    assert line.statement is not None
    assert (line.statement.holder, line.statement.statement) == (ROLE, 1)
    assert line.conditions == ("Bool aws:MultiFactorAuthPresent true",)
    assert line.concern == NO_ID


def test_every_principal_of_a_statement_is_a_line() -> None:
    statement = trust({"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"], "AWS": OWN_ROOT["AWS"]})
    assert {each.who for each in lines([statement])} == {
        "EC2 instances",
        "Lambda functions",
        "any principal of this account whose own policy allows it",
    }


def test_the_managing_account_of_the_organisation_is_known() -> None:
    organization = OrganizationPolicies(
        id="o-exampleorg1", management_account=PARTNER, account=ACCOUNT, path=("r-root", ACCOUNT)
    )
    assert ids(report(account(roles=[role(trusts=[trust(PARTNER_ROOT)])], organization=organization))) == set()


def test_concerns_of_several_statements_are_one_finding_with_all_of_them() -> None:
    found = report(account(roles=[role(trusts=[trust("*"), trust({"AWS": "*"}), trust(OWN_ROOT)])]))
    assert [each.statement for each in finding(found, ANYONE).evidence] == [0, 1]

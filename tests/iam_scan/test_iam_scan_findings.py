"""Findings of permissions: judged on what is effective, whatever the policies look like."""

from typing import Any

import pytest
from iam_scan_kit import (
    ACCOUNT,
    ADMINISTRATOR,
    ADMINISTRATOR_ACCESS,
    ROLE,
    USER,
    account,
    ago,
    allow,
    customer,
    deny,
    document,
    finding,
    group,
    ids,
    managed,
    of_role,
    report,
    role,
    scanned,
    usage,
    user,
)

from trailwarden.iam.findings import RULES
from trailwarden.model.authorization import RESOURCE_SERVICES, AccessKeyUse, OrganizationPolicies, ServiceLastAccess
from trailwarden.model.iam_report import EscalationPath, EscalationStep
from trailwarden.model.policy import PolicySource, parse_policy

MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
REGION = {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}
SECRET = "secretsmanager:GetSecretValue"

CASES: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "nothing wide": ([allow("s3:GetObject", "arn:aws:s3:::reports/*")], set()),
    "administrator": ([allow("*")], {"iam-administrator"}),
    "all of IAM": ([allow("iam:*")], {"iam-shadow-administrator"}),
    "all of IAM, split over two statements": (
        [allow(["iam:A*", "iam:C*", "iam:D*", "iam:G*"]), allow(["iam:P*", "iam:U*", "iam:L*", "iam:S*"])],
        {"iam-shadow-administrator"},
    ),
    "administrator if MFA": (
        [allow("iam:*", Condition=MFA)],
        {
            "iam-conditional-administrator?",
            "iam-credentials-exposure?",
            "iam-identity-control?",
            "iam-wildcard-service?",
        },
    ),
    "administrator, less what a Deny takes": (
        [allow("*"), {"Effect": "Deny", "NotAction": ["s3:Get*", "logs:*"], "Resource": "*"}],
        {"iam-data-exposure", "iam-resource-exposure", "iam-wildcard-service", "iam-unrestricted-writes"},
    ),
    "reads every bucket": ([allow("s3:GetObject", "arn:aws:s3:::*")], {"iam-data-exposure"}),
    "reads every object, by the bucket's pattern": (
        [allow("s3:GetObject", "arn:aws:s3:::*/*")],
        {"iam-data-exposure"},
    ),
    "reads one bucket": ([allow("s3:Get*", ["arn:aws:s3:::a", "arn:aws:s3:::a/*"])], set()),
    "reads every bucket but one": (
        [allow("s3:GetObject"), deny("s3:*", "arn:aws:s3:::payroll/*")],
        {"iam-data-exposure"},
    ),
    "reads one bucket, by Deny with NotResource": (
        [allow("s3:GetObject"), {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::a/*"}],
        set(),
    ),
    "denied altogether": ([allow([SECRET, "sqs:SendMessage"]), deny(SECRET)], set()),
    "denied outside of a Region": ([allow(SECRET), deny("*", Condition=REGION)], {"iam-secrets-exposure?"}),
    "every secret": ([allow(SECRET)], {"iam-secrets-exposure"}),
    "every secret of a Region": (
        [allow(SECRET, f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:*")],
        {"iam-secrets-exposure"},
    ),
    "every secret of another account": (
        [allow(SECRET, "arn:aws:secretsmanager:eu-west-1:999999999999:secret:*")],
        set(),
    ),
    "secrets of an application": (
        [allow(SECRET, f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:app/*")],
        set(),
    ),
    "parameters": ([allow("ssm:GetParameter*")], {"iam-parameters-exposure"}),
    "decrypts with any key": ([allow("kms:Decrypt", "arn:aws:kms:*:*:key/*")], {"iam-decrypt-exposure"}),
    "decrypts by one service": (
        [allow("kms:Decrypt", Condition={"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}})],
        {"iam-decrypt-exposure?"},
    ),
    "assumes any role": ([allow("sts:AssumeRole")], {"iam-credentials-exposure"}),
    "assumes one role": ([allow("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/other")], set()),
    "writes bucket policies": ([allow("s3:PutBucketPolicy")], {"iam-resource-exposure"}),
    "passes any role": ([allow("iam:PassRole")], {"iam-identity-control"}),
    "passes any role to one service": (
        [allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}})],
        {"iam-identity-control?"},
    ),
    "a whole service": (
        [allow("dynamodb:*")],
        {"iam-data-exposure", "iam-resource-exposure", "iam-wildcard-service", "iam-unrestricted-writes"},
    ),
    "a whole service, on some of its resources": (
        [allow("dynamodb:*", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders")],
        set(),
    ),
    "NotAction in an Allow": (
        [{"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}],
        {
            "iam-credentials-exposure",
            "iam-data-exposure",
            "iam-decrypt-exposure",
            "iam-not-action-allow",
            "iam-parameters-exposure",
            "iam-resource-exposure",
            "iam-secrets-exposure",
            "iam-unrestricted-writes",
            "iam-wildcard-service",
        },
    ),
    "NotAction on one bucket": (
        [{"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "arn:aws:s3:::scratch/*"}],
        set(),
    ),
    "NotAction in a Deny": (
        [allow("s3:ListAllMyBuckets"), {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}],
        set(),
    ),
    "NotAction of which a Deny leaves nothing": (
        [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, deny("*")],
        {"iam-no-effective-permissions"},
    ),
    "NotResource in an Allow": (
        [{"Effect": "Allow", "Action": "sqs:SendMessage", "NotResource": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:audit"}],
        {"iam-not-resource-allow"},
    ),
    "NotResource that leaves no data": (
        [{"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::*"}],
        {"iam-not-resource-allow"},
    ),
    "misspelt actions": ([allow(["s3:GetObjekt", "s4:PutObject"])], {"iam-grants-nothing"}),
    "actions on a type that they do not act on": (
        [allow("s3:ListBucket", "arn:aws:s3:::reports/*")],
        {"iam-grants-nothing"},
    ),
    "a guardrail alone": ([deny("*", Condition=REGION)], set()),
    "everything denied": ([allow("sqs:SendMessage"), deny("*")], {"iam-no-effective-permissions"}),
}


@pytest.mark.parametrize(("statements", "expected"), CASES.values(), ids=CASES)
def test_what_a_role_shows(statements: list[dict[str, Any]], expected: set[str]) -> None:
    assert ids(of_role(*statements)) == expected


def test_a_boundary_takes_findings_away() -> None:
    bound = customer("bound")
    bounded = of_role(
        allow("*"), boundary=bound, policies=[managed(bound, document(allow(["s3:GetObject", "ec2:Describe*"])))]
    )
    assert not bounded.admin
    assert ids(bounded) == {"iam-data-exposure"}


def test_an_unread_boundary_makes_findings_uncertain() -> None:
    found = of_role(allow("*"), boundary=customer("missing"))
    assert not found.admin
    assert {"iam-administrator?", "iam-unknown-permissions"} <= ids(found)


def test_an_scp_takes_an_administrator_away() -> None:
    def scp(*statements: dict[str, Any]) -> Any:
        return parse_policy(document(*statements), source=PolicySource(kind="scp", name="guard"))

    organization = OrganizationPolicies(
        id="o-exampleorg1",
        management_account="999999999999",
        account=ACCOUNT,
        path=("r-root", ACCOUNT),
        scps=((scp(allow("*")),), (scp(allow("*"), deny("iam:*")),)),
    )
    limited = report(account(roles=[role(document(allow("*")))], organization=organization))
    free = report(account(roles=[role(document(allow("*")))]))
    assert (limited.admin, free.admin) == (False, True)
    assert "iam-identity-control" not in ids(limited)


def test_an_administrator_says_by_which_statement() -> None:
    found = report(account(roles=[role(attached=[ADMINISTRATOR_ACCESS])], policies=[ADMINISTRATOR]))
    assert found.admin
    assert found.admin_by == ("managed policy AdministratorAccess, statement 1",)
    [evidence] = finding(found, "iam-administrator").evidence
    assert (evidence.policy, evidence.holder, evidence.statement) == (ADMINISTRATOR_ACCESS, ROLE, 0)
    assert finding(found, "iam-administrator").technique == "T1078.004"


def test_evidence_names_the_statements_that_give_the_action() -> None:
    found = of_role(allow("sqs:*", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q"), allow([SECRET, "s3:GetObject"], Sid="Both"))
    [evidence] = finding(found, "iam-secrets-exposure").evidence
    assert (evidence.policy, evidence.statement, evidence.sid) == ("inline-0", 1, "Both")
    assert evidence.text == "Allow secretsmanager:GetSecretValue on *"


def test_a_user_has_what_its_groups_give_and_the_group_shows_it_too() -> None:
    snapshot = account(users=[user(groups=["readers"])], groups=[group(document(allow(SECRET)), name="readers")])
    reports = {each.arn: each for each in scanned(snapshot).principals}
    group_arn = f"arn:aws:iam::{ACCOUNT}:group/readers"
    assert "iam-secrets-exposure" in ids(reports[USER])
    assert "iam-secrets-exposure" in ids(reports[group_arn])
    assert reports[group_arn].kind == "group"


def test_an_own_name_is_narrow_for_a_group() -> None:
    keys = document(allow("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"))
    found = report(account(groups=[group(keys, name="people")]), f"arn:aws:iam::{ACCOUNT}:group/people")
    assert ids(found) == set()


def path(*, certain: bool) -> EscalationPath:
    step = EscalationStep(
        principal=ROLE, rule="create-function", to="arn:aws:iam::1:role/boss", actions=("iam:PassRole",), statement=None
    )
    conditions = () if certain else ("a function exists",)
    return EscalationPath(id="p", to=step.to, steps=(step,), certain=certain, conditions=conditions)


@pytest.mark.parametrize(
    ("certain", "id_", "severity"), [(True, "iam-escalation", "high"), (False, "iam-escalation?", "medium")]
)
def test_paths_make_a_finding(certain: bool, id_: str, severity: str) -> None:
    snapshot = account(roles=[role(document(allow("sqs:SendMessage")))])
    found = report(snapshot, paths={ROLE: (path(certain=certain),)})
    assert found.reaches_admin
    assert id_ in ids(found)
    assert finding(found, "iam-escalation").severity == severity


# --- use and upkeep ---

UNUSED: dict[str, tuple[dict[str, Any], bool]] = {
    "used yesterday": ({"used": ago(1)}, False),
    "used 89 days ago": ({"used": ago(89)}, False),
    "used 90 days ago": ({"used": ago(90)}, True),
    "never used, made long ago": ({"used": None, "made": ago(200)}, True),
    "never used, made last week": ({"used": None, "made": ago(7)}, False),
    "a service's own": ({"used": None, "made": ago(500), "path": "/aws-service-role/ecs.amazonaws.com/"}, False),
}


@pytest.mark.parametrize(("given", "expected"), UNUSED.values(), ids=UNUSED)
def test_unused_roles(given: dict[str, Any], expected: bool) -> None:
    [found] = scanned(account(roles=[role(**given)])).principals
    assert ("iam-unused-principal" in ids(found)) is expected


def test_records_of_use_outweigh_what_aws_says_of_last_use() -> None:
    snapshot = account(roles=[role(document(allow("s3:GetObject", "arn:aws:s3:::a/*")), used=None)])
    found = report(snapshot, used={ROLE: usage({"s3:GetObject": None})})
    assert "iam-unused-principal" not in ids(found)


def test_a_user_is_unused_only_if_keys_and_services_say_so() -> None:
    access = {USER: (ServiceLastAccess(service="s3", last=ago(200), tracked_since=ago(400)),)}
    keys = {USER: (AccessKeyUse(number=1, active=True, rotated=ago(80), last_used=ago(100)),)}
    users = [user(document(allow("s3:ListAllMyBuckets")))]
    assert "iam-unused-principal" in ids(report(account(users=users, last_access=access, access_keys=keys), USER))
    assert "iam-unused-principal" not in ids(report(account(users=users, last_access=access), USER))


def test_unused_services_by_last_access() -> None:
    last = (
        ServiceLastAccess(service="s3", last=ago(2), tracked_since=ago(400)),
        ServiceLastAccess(service="ses", last=None, tracked_since=ago(400)),
        ServiceLastAccess(service="sqs", last=ago(91), tracked_since=ago(400)),
        ServiceLastAccess(service="newly", last=None, tracked_since=ago(30)),
    )
    found = report(account(roles=[role(document(allow("s3:ListAllMyBuckets")))], last_access={ROLE: last}))
    assert finding(found, "iam-unused-services").detail == (
        "2 of 4 services that it may use, not in the last 90 days: ses, sqs"
    )


def test_granted_against_used() -> None:
    snapshot = account(roles=[role(document(allow(["s3:*", "sqs:*"], "arn:aws:s3:::a/*")))])
    found = report(snapshot, used={ROLE: usage({"s3:PutObject": None})})
    assert "CloudTrail of 90 days, all Regions" in finding(found, "iam-unused-permissions").detail
    few = account(roles=[role(document(allow(["s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::a/*")))])
    assert "iam-unused-permissions" not in ids(report(few, used={ROLE: usage({"s3:PutObject": None})}))


KEYS: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "a young key in use": ([{"rotated": ago(20), "last_used": ago(1)}], set()),
    "a key of 90 days": ([{"rotated": ago(90), "last_used": ago(1)}], {"iam-old-access-key"}),
    "an inactive key": ([{"rotated": ago(800), "active": False}], set()),
    "two active keys": (
        [{"rotated": ago(5), "last_used": ago(1)}, {"rotated": ago(6), "last_used": ago(1)}],
        {"iam-several-access-keys"},
    ),
    "a key that is not in use": (
        [{"rotated": ago(400), "last_used": None}],
        {"iam-old-access-key", "iam-unused-access-key"},
    ),
    "a new key, not yet in use": ([{"rotated": ago(2), "last_used": None}], set()),
}


@pytest.mark.parametrize(("given", "expected"), KEYS.values(), ids=KEYS)
def test_access_keys(given: list[dict[str, Any]], expected: set[str]) -> None:
    keys = tuple(AccessKeyUse(number=at, **{"active": True, **key}) for at, key in enumerate(given, 1))
    assert ids(report(account(users=[user()], access_keys={USER: keys}), USER)) == expected


@pytest.mark.parametrize(("age", "severity"), [(90, "low"), (180, "medium"), (365, "high")])
def test_the_older_the_key_the_graver(age: int, severity: str) -> None:
    keys = {USER: (AccessKeyUse(number=1, active=True, rotated=ago(age), last_used=ago(0)),)}
    assert finding(report(account(users=[user()], access_keys=keys), USER), "iam-old-access-key").severity == severity


def test_the_root_users_key_is_told_beside_the_principals() -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    keys = {root: (AccessKeyUse(number=1, active=True, rotated=ago(5)),)}
    [other] = scanned(account(access_keys=keys)).others
    assert (other.arn, other.kind, [each.id for each in other.findings]) == (root, "root", ["iam-root-access-key"])


@pytest.mark.parametrize(("known", "expected"), [(None, False), ((), False), ((USER,), True)])
def test_console_without_mfa_only_if_known(known: tuple[str, ...] | None, expected: bool) -> None:
    found = report(account(users=[user()]), USER, console_without_mfa=known)
    assert ("iam-console-without-mfa" in ids(found)) is expected


def test_notes_say_what_was_not_read() -> None:
    notes = " ".join(scanned(account()).notes)
    assert "control policies were not read" in notes
    read = (
        "authorization",
        "organization",
        "access_keys",
        *(f"resource_policies.{each}" for each in RESOURCE_SERVICES),
    )
    assert "not read: permissions" not in " ".join(scanned(account(read=read)).notes)


def test_every_finding_says_what_to_do() -> None:
    assert [id_ for id_, rule in RULES.items() if not rule.recommendation or not id_.startswith("iam-")] == []

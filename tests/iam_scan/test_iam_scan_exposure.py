"""Resource policies that let in the public, or an account outside."""

from typing import Any

import pytest
from iam_scan_kit import ACCOUNT, PARTNER, SISTER, account, document, scanned

from trailwarden.model.authorization import OrganizationPolicies, ResourcePolicyDocument
from trailwarden.model.policy import Policy, PolicySource, parse_policy

BUCKET = "arn:aws:s3:::example-site"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:events"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ORGANIZATION = "o-exampleorg1"
PUBLIC, EXTERNAL = "iam-public-resource", "iam-external-resource"


def grant(principal: Any, action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def forbid(action: Any, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", "Condition": condition}


def root(account_id: str) -> dict[str, Any]:
    return {"AWS": f"arn:aws:iam::{account_id}:root"}


def resource(arn: str, *statements: dict[str, Any], sealed: bool | None = False) -> ResourcePolicyDocument:
    policy = parse_policy(document(*statements), source=PolicySource(kind="resource", name=arn, holder=arn))
    service = arn.split(":")[2]
    return ResourcePolicyDocument(
        arn=arn,
        service=service,
        account=ACCOUNT,
        policy=policy,
        restricts_public=sealed if service == "s3" else None,
    )


def found(each: ResourcePolicyDocument, **more: Any) -> set[str]:
    snapshot = account(resource_policies=(each,), **more)
    others = scanned(snapshot, known_accounts=[SISTER]).others
    return {f"{each.id}{'' if each.certain else '?'}" for other in others for each in other.findings}


CASES: dict[str, tuple[ResourcePolicyDocument, set[str]]] = {
    "a site": (resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*")), {PUBLIC}),
    "a sealed site": (resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*"), sealed=True), set()),
    "a site, sealed or not": (
        resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*"), sealed=None),
        {f"{PUBLIC}?"},
    ),
    "an action that is none of the bucket's": (resource(BUCKET, grant("*", "s3:ListBucket", f"{BUCKET}/*")), set()),
    "of the organisation": (
        resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*", StringEquals={"aws:PrincipalOrgID": ORGANIZATION})),
        set(),
    ),
    "from an endpoint": (
        resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*", StringEquals={"aws:SourceVpce": "vpce-1a2b3c4d"})),
        set(),
    ),
    "from addresses": (
        resource(BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*", IpAddress={"aws:SourceIp": "192.0.2.0/24"})),
        {f"{PUBLIC}?"},
    ),
    "denied without TLS": (
        resource(
            BUCKET, grant("*", "s3:GetObject", f"{BUCKET}/*"), forbid("s3:*", Bool={"aws:SecureTransport": "false"})
        ),
        {PUBLIC},
    ),
    "denied outside of the organisation": (
        resource(
            BUCKET,
            grant("*", "s3:GetObject", f"{BUCKET}/*"),
            forbid("s3:*", StringNotEquals={"aws:PrincipalOrgID": ORGANIZATION}),
        ),
        set(),
    ),
    "everyone but one": (
        resource(
            QUEUE,
            {"Effect": "Allow", "NotPrincipal": root(ACCOUNT), "Action": "sqs:SendMessage", "Resource": QUEUE},
        ),
        {PUBLIC},
    ),
    "a queue": (resource(QUEUE, grant("*", "sqs:SendMessage", QUEUE)), {PUBLIC}),
    "a queue for one bucket's events": (
        resource(QUEUE, grant("*", "sqs:SendMessage", QUEUE, ArnEquals={"aws:SourceArn": BUCKET})),
        set(),
    ),
    "a topic for its own account": (
        resource(TOPIC, grant("*", "sns:Publish", TOPIC, StringEquals={"aws:SourceOwner": ACCOUNT})),
        set(),
    ),
    "a service": (resource(TOPIC, grant({"Service": "events.amazonaws.com"}, "sns:Publish", TOPIC)), set()),
    "the own account": (resource(KEY, grant(root(ACCOUNT), "kms:*")), set()),
    "a known account": (resource(KEY, grant(root(SISTER), "kms:Decrypt")), set()),
    "an account outside": (resource(KEY, grant(root(PARTNER), "kms:Decrypt")), {EXTERNAL}),
    "a role outside": (
        resource(KEY, grant({"AWS": f"arn:aws:iam::{PARTNER}:role/reader"}, "kms:Decrypt")),
        {EXTERNAL},
    ),
    "a key for callers of the own account": (
        resource(KEY, grant("*", "kms:Decrypt", "*", StringEquals={"kms:CallerAccount": ACCOUNT})),
        set(),
    ),
}


@pytest.mark.parametrize(("each", "expected"), CASES.values(), ids=CASES)
def test_who_gets_in(each: ResourcePolicyDocument, expected: set[str]) -> None:
    assert found(each) == expected


def rcp(*statements: dict[str, Any]) -> Policy:
    return parse_policy(document(*statements), source=PolicySource(kind="rcp", name="perimeter"))


@pytest.mark.parametrize(
    ("each", "left"),
    [
        (CASES["a site"][0], set()),
        (resource(BUCKET, grant(root(PARTNER), "s3:GetObject", f"{BUCKET}/*")), set()),
        # SNS is none of the services that RCPs bind.
        (resource(TOPIC, grant("*", "sns:Publish", TOPIC)), {PUBLIC}),
    ],
    ids=["a site", "an account outside", "a topic"],
)
def test_a_resource_control_policy_keeps_strangers_out(each: ResourcePolicyDocument, left: set[str]) -> None:
    perimeter = rcp(forbid("*", StringNotEqualsIfExists={"aws:PrincipalOrgID": ORGANIZATION}))
    organization = OrganizationPolicies(
        id=ORGANIZATION,
        management_account="999999999999",
        account=ACCOUNT,
        path=("r-root", ACCOUNT),
        rcps=((perimeter,), ()),
    )
    assert found(each) != set()
    assert found(each, organization=organization) == left


def test_the_finding_says_what_anyone_may_do_and_by_which_statement() -> None:
    each = resource(BUCKET, grant(root(ACCOUNT), "s3:*", BUCKET), grant("*", "s3:GetObject", f"{BUCKET}/*"))
    [other] = scanned(account(resource_policies=(each,))).others
    [public] = other.findings
    assert (other.arn, other.kind) == (BUCKET, "resource")
    assert public.detail == "Anyone may s3:GetObject"
    assert [(item.holder, item.statement) for item in public.evidence] == [(BUCKET, 1)]

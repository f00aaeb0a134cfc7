"""A rich account, told in full: any change of a finding, score, trust line or recommendation shows as a difference.

``TRAILWARDEN_UPDATE_GOLDEN=1 pytest tests/iam_scan/test_iam_scan_golden.py`` writes the files anew.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from iam_scan_kit import (
    ACCOUNT,
    ADMINISTRATOR,
    ADMINISTRATOR_ACCESS,
    GITHUB,
    OWN_ROOT,
    PARTNER,
    SISTER,
    USER,
    account,
    ago,
    allow,
    analyzed,
    customer,
    deny,
    document,
    group,
    managed,
    role,
    scanned,
    trust,
    usage,
    user,
)

from trailwarden.model.authorization import (
    AccessKeyUse,
    AuthorizationSnapshot,
    ResourcePolicyDocument,
    ServiceLastAccess,
)
from trailwarden.model.iam_report import EscalationPath, EscalationStep, IamEvidence
from trailwarden.model.policy import PolicySource, parse_policy

GOLDEN = Path(__file__).parent / "golden"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/deployer"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"


def rich() -> AuthorizationSnapshot:
    guard, readers = customer("guard"), customer("readers")
    web = trust(
        {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"},
        "sts:AssumeRoleWithWebIdentity",
        StringEquals={f"{GITHUB}:aud": "sts.amazonaws.com"},
        StringLike={f"{GITHUB}:sub": "repo:example/*"},
    )
    roles = [
        role(
            name="admin",
            attached=[ADMINISTRATOR_ACCESS],
            trusts=[trust(OWN_ROOT, Bool={"aws:MultiFactorAuthPresent": "true"})],
        ),
        role(document(allow("iam:*")), name="identity", used=None, trusts=[trust({"Service": "lambda.amazonaws.com"})]),
        role(document(allow("*")), name="bounded", boundary=guard),
        role(
            document(allow(["ec2:RunInstances", "ec2:DescribeInstances"]), allow("iam:PassRole", ADMIN, Sid="Pass")),
            name="deployer",
            trusts=[web],
        ),
        role(
            document(
                allow("kms:Decrypt", Condition={"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}})
            ),
            name="vendor",
            attached=[readers],
            trusts=[trust({"AWS": f"arn:aws:iam::{PARTNER}:root"}), trust({"AWS": f"arn:aws:iam::{SISTER}:root"})],
        ),
        role(document(allow(["s3:GetObjekt"]), deny("s3:DeleteBucket")), name="misspelt"),
    ]
    users = [user(document(allow("secretsmanager:GetSecretValue")), groups=["team"])]
    site = "arn:aws:s3:::example-site"
    public = document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{site}/*"})
    return account(
        roles=roles,
        users=users,
        groups=[group(document(allow(["sqs:ReceiveMessage", "sqs:SendMessage"])), name="team")],
        policies=[
            ADMINISTRATOR,
            managed(guard, document(allow(["s3:GetObject", "logs:CreateLogStream"]))),
            managed(readers, document(allow(["s3:GetObject", "s3:ListBucket"]))),
        ],
        resource_policies=(
            ResourcePolicyDocument(
                arn=site,
                service="s3",
                account=ACCOUNT,
                policy=parse_policy(public, source=PolicySource(kind="resource", name=site)),
                restricts_public=False,
            ),
        ),
        access_keys={
            USER: (
                AccessKeyUse(number=1, active=True, rotated=ago(400), last_used=ago(3)),
                AccessKeyUse(number=2, active=True, rotated=ago(120)),
            )
        },
        last_access={
            USER: (
                ServiceLastAccess(service="sqs", last=ago(3), tracked_since=ago(400)),
                ServiceLastAccess(service="secretsmanager", last=None, tracked_since=ago(400)),
            )
        },
        read=("authorization", "access_keys", "resource_policies.s3"),
    )


def paths() -> dict[str, tuple[EscalationPath, ...]]:
    statement = IamEvidence(policy="inline-0", holder=DEPLOYER, statement=1, sid="Pass", text="Allow iam:PassRole")
    step = EscalationStep(
        principal=DEPLOYER,
        rule="ec2-run-instances",
        to=ADMIN,
        actions=("ec2:RunInstances", "iam:PassRole"),
        statement=statement,
        breaks=("remove iam:PassRole from inline policy inline-0, statement 2 (Pass)",),
    )
    return {DEPLOYER: (EscalationPath(id="ec2-run-instances>admin", to=ADMIN, steps=(step,), certain=True),)}


def told(value: Any) -> Any:
    """As JSON values, without numbers that follow from how many actions AWS has today."""
    text = msgspec.json.encode(value).decode()
    for today in (r"(?<=and )\d+ (?=more)", r"\d+ (?=known actions)", r'"total":\d+,'):
        text = re.sub(today, "", text)
    return json.loads(text)


def compare(name: str, value: Any) -> None:
    path = GOLDEN / name
    written = json.dumps(told(value), indent=1, sort_keys=True) + "\n"
    if os.environ.get("TRAILWARDEN_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


def test_the_scan() -> None:
    compare("scan.json", scanned(rich(), paths=paths(), known_accounts=[SISTER]))


@pytest.mark.parametrize("name", ["deployer", "vendor", "subject"])
def test_the_analysis(name: str) -> None:
    used = {
        DEPLOYER: usage({"ec2:RunInstances": None, "ec2:DescribeInstances": None}),
        USER: usage({"sqs:SendMessage": (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders",)}),
    }
    compare(f"{name}.json", analyzed(rich(), name, paths=paths(), known_accounts=[SISTER], used=used))

"""What AWS may answer that the simulated organisation does not: by scripted answers to single operations."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from iam_source_kit import ACCOUNT, NOW, ago, allow, arn, document, page, role

from trailwarden.aws.authorization import read_authorization
from trailwarden.aws.connection import Connection
from trailwarden.errors import AccessDenied
from trailwarden.model.authorization import AuthorizationSnapshot
from trailwarden.progress import Silent

MANAGEMENT = "999999999999"
REPORT = (
    "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service\n"
    f"alice,{arn('user', 'alice')},2025-01-01T00:00:00+00:00,false,N/A,false,"
    "true,2025-09-01T00:00:00+00:00,2026-11-01T00:00:00+00:00,eu-west-1,s3,"
    "false,N/A,2026-02-01T00:00:00+00:00,us-east-1,iam\n"
    f"bob,{arn('user', 'bob')},2025-01-01T00:00:00+00:00,true,no_information,true,"
    "false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A\n"
)
Answer = Any  # an answer, an error, a list of them one after another, or a function of Region and arguments


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as AWS says"}}, "Operation")


#: An account with one role, that is in no organisation and has no resources.
ANSWERS: dict[str, Answer] = {
    "get_account_authorization_details": page(roles=[role("Deploy")]),
    "describe_organization": refusal("AWSOrganizationsNotInUseException"),
    "generate_credential_report": {"State": "COMPLETE"},
    "get_credential_report": {"Content": REPORT.encode(), "GeneratedTime": ago(0.1)},
    "list_keys": {"Keys": []},
    "list_functions": {"Functions": []},
    "list_buckets": {"Buckets": []},
    "list_secrets": {"SecretList": []},
    "list_topics": {"Topics": []},
    "list_queues": {},
    "generate_service_last_accessed_details": {"JobId": "job"},
}


class Aws:
    """A broker whose clients give the scripted answers, by the name of the method; ``asked`` is what they were."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = {
            name: list(answer) if isinstance(answer, list) else answer
            for name, answer in {**ANSWERS, **answers}.items()
        }
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.slept: list[float] = []

    def session(self, connection: Connection) -> Any:
        return SimpleNamespace(client=lambda service, region=None: _Client(self, region))

    def enabled_regions(self, connection: Connection) -> Any:
        return SimpleNamespace(enabled=("eu-west-1", "us-east-1"))

    def answer(self, method: str, region: str | None, arguments: dict[str, Any]) -> Any:
        self.asked.append((method, region, arguments))
        answer = self._answers[method]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(region, arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Client:
    def __init__(self, aws: Aws, region: str | None) -> None:
        self._aws = aws
        self._region = region
        self.meta = SimpleNamespace(region_name=region or "us-east-1")

    def can_paginate(self, method: str) -> bool:
        return False

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda **arguments: self._aws.answer(method, self._region, arguments)


def connection(account: str = ACCOUNT) -> Connection:
    return Connection(
        id=account,
        account_id=account,
        role_arn=f"arn:aws:iam::{account}:role/Trailwarden",
        partition="aws",
        label="",
        purpose="read",
        created_at=NOW,
    )


def read(aws: Aws, *, deep: tuple[str, ...] = ()) -> AuthorizationSnapshot:
    broker: Any = aws
    (snapshot,), gaps = read_authorization(
        broker, [connection()], progress=Silent(), now=NOW, deep=deep, sleep=aws.slept.append
    )
    assert gaps == ()
    return snapshot


def answered(**answers: Answer) -> tuple[AuthorizationSnapshot, Aws]:
    aws = Aws(answers)
    return read(aws), aws


def test_an_account_in_no_organisation_is_known_to_be_in_none() -> None:
    snapshot, _ = answered()
    assert snapshot.organization is None
    assert "organization" in snapshot.read
    assert snapshot.gaps == ()


def organisation(*enabled: str) -> dict[str, Answer]:
    """One that the account itself manages, with one policy on the root and none on the account."""

    def attached(_: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        return (
            {"Policies": [{"Id": "p-guard", "Name": "Guard", "Arn": "arn:aws:organizations:::policy/p-guard"}]}
            if (arguments["TargetId"] == "r-ab12")
            else {"Policies": []}
        )

    return {
        "describe_organization": {"Organization": {"Id": "o-example", "MasterAccountId": MANAGEMENT}},
        "list_roots": {"Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": t, "Status": "ENABLED"} for t in enabled]}]},
        "list_parents": {"Parents": [{"Id": "r-ab12", "Type": "ROOT"}]},
        "list_policies_for_target": attached,
        "describe_policy": {"Policy": {"Content": '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'}},
    }


def test_policies_of_a_type_that_is_not_enabled_bind_nobody() -> None:
    snapshot, aws = answered(**organisation())
    assert snapshot.organization is not None
    assert (snapshot.organization.scps, snapshot.organization.rcps) == (None, None)
    assert snapshot.organization.path == ("r-ab12", ACCOUNT)
    assert "list_policies_for_target" not in {method for method, _, _ in aws.asked}


def test_a_level_without_policies_is_not_the_same_as_none() -> None:
    snapshot, _ = answered(**organisation("SERVICE_CONTROL_POLICY"))
    assert snapshot.organization is not None
    root, account = snapshot.organization.scps or ()
    assert [policy.source.name for policy in root] == ["Guard"]
    assert account == ()
    assert snapshot.organization.rcps is None


def test_an_organisation_policy_that_cannot_be_read_is_a_gap() -> None:
    broken = organisation("SERVICE_CONTROL_POLICY") | {"describe_policy": {"Policy": {"Content": "{"}}}
    snapshot, _ = answered(**broken)
    assert snapshot.organization is None
    assert "organization" not in snapshot.read
    (gap,) = snapshot.gaps
    assert gap.kind == "failed"
    assert "management account" not in gap.remedy


def test_the_organisation_s_service_being_down_is_said_as_it_is() -> None:
    down = organisation() | {"list_roots": refusal("ServiceException")}
    (gap,) = answered(**down)[0].gaps
    assert gap.kind == "failed"
    assert "ServiceException" in gap.reason
    assert "management account" not in gap.remedy


def keys_of(region: str | None, _: dict[str, Any]) -> dict[str, Any]:
    return {"Keys": [{"KeyArn": f"arn:aws:kms:{region}:{ACCOUNT}:key/1"}]}


def test_a_resource_policy_that_cannot_be_read_is_a_gap_and_the_others_stay() -> None:
    def policy_of(region: str | None, _: dict[str, Any]) -> dict[str, Any]:
        own = document(allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
        return {"Policy": own if region == "eu-west-1" else "{"}

    snapshot, _ = answered(list_keys=keys_of, get_key_policy=policy_of)
    assert [each.arn for each in snapshot.resource_policies] == [f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"]
    assert "resource_policies.kms" not in snapshot.read
    (gap,) = snapshot.gaps
    assert gap.kind == "failed"


def test_a_region_that_refuses_leaves_the_others() -> None:
    def listed(region: str | None, arguments: dict[str, Any]) -> Any:
        return refusal("UnrecognizedClientException") if region == "us-east-1" else keys_of(region, arguments)

    own = document(allow("kms:*", Principal="*"))
    snapshot, _ = answered(list_keys=listed, get_key_policy={"Policy": own})
    assert [each.arn for each in snapshot.resource_policies] == [f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"]
    assert len(snapshot.gaps) == 1


FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:s"
WITHOUT: dict[str, dict[str, Answer]] = {
    "a function": {
        "list_functions": {"Functions": [{"FunctionArn": FUNCTION}]},
        "get_policy": refusal("ResourceNotFoundException"),
    },
    "a bucket": {
        "list_buckets": {"Buckets": [{"Name": "example"}]},
        "get_bucket_policy": refusal("NoSuchBucketPolicy"),
    },
    "a secret": {"list_secrets": {"SecretList": [{"ARN": SECRET}]}, "get_resource_policy": {"ARN": SECRET}},
    "a queue": {
        "list_queues": {"QueueUrls": [f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/q"]},
        "get_queue_attributes": {},
    },
}


@pytest.mark.parametrize("missing", [pytest.param(answers, id=name) for name, answers in WITHOUT.items()])
def test_resources_without_a_policy_are_no_gap(missing: dict[str, Answer]) -> None:
    snapshot, _ = answered(**missing)
    assert (snapshot.resource_policies, snapshot.gaps) == ((), ())
    assert sum(part.startswith("resource_policies.") for part in snapshot.read) == 6


def test_buckets_are_asked_where_they_are_and_queues_by_their_url() -> None:
    url = f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/orders"
    open_to_all = document(allow("sqs:*", Principal="*"))
    snapshot, aws = answered(
        list_buckets={"Buckets": [{"Name": "example", "BucketRegion": "ap-south-1"}]},
        get_bucket_policy={"Policy": document(allow("s3:GetObject", Principal="*"))},
        get_public_access_block=refusal("NoSuchPublicAccessBlockConfiguration"),
        list_queues=lambda region, _: {"QueueUrls": [url]} if region == "eu-west-1" else {},
        get_queue_attributes={"Attributes": {"Policy": open_to_all}},
    )
    bucket, queue = snapshot.resource_policies
    assert (bucket.arn, bucket.restricts_public) == ("arn:aws:s3:::example", False)
    assert (queue.arn, queue.restricts_public) == (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders", None)
    where = {method: region for method, region, _ in aws.asked}
    assert where["get_bucket_policy"] == where["get_public_access_block"] == "ap-south-1"
    assert ("get_queue_attributes", "eu-west-1", {"QueueUrl": url, "AttributeNames": ["Policy"]}) in aws.asked


def test_keys_of_the_credential_report() -> None:
    snapshot, _ = answered()
    alice = snapshot.access_keys[arn("user", "alice")]
    assert [(key.number, key.active, key.last_service) for key in alice] == [(1, True, "s3"), (2, False, "iam")]
    assert alice[1].rotated is None
    assert snapshot.access_keys[arn("user", "bob")] == ()
    assert snapshot.keys_taken == ago(0.1)


def test_a_report_that_somebody_else_had_made_is_enough() -> None:
    snapshot, _ = answered(generate_credential_report=refusal("AccessDenied"))
    assert "access_keys" in snapshot.read
    assert snapshot.gaps == ()


def test_without_any_report_the_first_refusal_is_told() -> None:
    snapshot, _ = answered(
        generate_credential_report=refusal("AccessDenied"), get_credential_report=refusal("ReportNotPresent")
    )
    (gap,) = snapshot.gaps
    assert gap.kind == "denied"
    assert "iam:GenerateCredentialReport" in gap.reason
    assert (snapshot.access_keys, snapshot.keys_taken) == ({}, None)
    assert "access_keys" not in snapshot.read


def test_a_report_in_the_making_is_waited_for() -> None:
    ready = ANSWERS["get_credential_report"]
    busy = refusal("ReportInProgress")
    snapshot, aws = answered(get_credential_report=[busy, busy, busy, ready])
    assert "access_keys" in snapshot.read
    assert aws.slept == [0.5, 1.0, 2.0]


def test_a_report_that_never_comes_is_a_gap() -> None:
    snapshot, aws = answered(get_credential_report=refusal("ReportInProgress"))
    (gap,) = snapshot.gaps
    assert "not ready after 90 seconds" in gap.reason
    assert gap.remedy
    assert 80 < sum(aws.slept) < 100


WAITING = {"JobStatus": "IN_PROGRESS"}
DEPLOY = arn("role", "Deploy")


def finished(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"JobStatus": "COMPLETED", "JobCompletionDate": NOW, "ServicesLastAccessed": list(services), **more}


def test_last_access_waits_for_the_report_and_takes_all_its_pages() -> None:
    first = finished({"ServiceNamespace": "s3", "LastAuthenticated": ago(4)}, IsTruncated=True, Marker="next")
    last = finished({"ServiceNamespace": "ec2"}, IsTruncated=False)
    aws = Aws({"get_service_last_accessed_details": [WAITING, WAITING, first, last]})
    services = read(aws, deep=(DEPLOY,)).last_access[DEPLOY]
    assert [(each.service, each.last, each.tracked_since) for each in services] == [
        ("ec2", None, ago(400)),
        ("s3", ago(4), ago(400)),
    ]
    assert aws.slept == [0.5, 1.0]
    assert aws.asked[-1] == ("get_service_last_accessed_details", None, {"JobId": "job", "Marker": "next"})


def test_a_last_access_report_that_failed_is_a_gap() -> None:
    failed = {"JobStatus": "FAILED", "Error": {"Code": "ServiceFailure", "Message": "try later"}}
    snapshot = read(Aws({"get_service_last_accessed_details": [WAITING, failed]}), deep=(DEPLOY,))
    assert snapshot.last_access == {}
    (gap,) = snapshot.gaps
    assert "try later" in gap.reason


def test_documents_of_iam_that_cannot_be_read_are_a_gap() -> None:
    broken = page(roles=[role("Deploy", AssumeRolePolicyDocument="{")])
    snapshot, _ = answered(get_account_authorization_details=broken)
    (gap,) = snapshot.gaps
    assert DEPLOY in gap.reason
    assert "authorization" in snapshot.read


def test_an_account_without_a_session_is_a_gap() -> None:
    class Closed(Aws):
        def session(self, connection: Connection) -> Any:
            raise AccessDenied("sts:AssumeRole failed", remedy="run doctor")

    broker: Any = Closed({})
    snapshots, (gap,) = read_authorization(broker, [connection()], progress=Silent(), now=NOW)
    assert snapshots == ()
    assert (gap.kind, gap.account, gap.remedy) == ("denied", ACCOUNT, "run doctor")

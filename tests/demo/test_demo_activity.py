"""Everyday activity: real shapes for every way to authenticate, sessions that link, people who keep their hours."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from trailwarden.demo.activity import generate
from trailwarden.demo.decoys import TRAVEL_IP
from trailwarden.demo.intrusion import ATTACKER_IP
from trailwarden.demo.scenario import Scenario, build_scenario
from trailwarden.errors import UsageError

Record = dict[str, Any]
ANCHOR = datetime(2026, 11, 24, 4, 10, tzinfo=UTC)
RECORDS = 20_000


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=ANCHOR, records=RECORDS)


@pytest.fixture(scope="module")
def bodies(scenario: Scenario) -> list[bytes]:
    return list(generate(scenario))


@pytest.fixture(scope="module")
def records(bodies: list[bytes]) -> list[Record]:
    return [json.loads(body) for body in bodies]


def when(record: Record) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def identity(record: Record) -> Record:
    found: Record = record["userIdentity"]
    return found


def context(record: Record) -> Record:
    found: Record = identity(record).get("sessionContext") or {}
    return found


def issuer_path(record: Record) -> str:
    return str((context(record).get("sessionIssuer") or {}).get("arn", ""))


def named(record: Record, *names: str) -> bool:
    return record["eventName"] in names


def requested(record: Record) -> Record:
    found: Record = record["requestParameters"] or {}
    return found


def test_the_volume_is_about_what_was_asked_for_at_every_size(bodies: list[bytes]) -> None:
    assert RECORDS * 0.95 <= len(bodies) <= RECORDS * 1.05
    for seed, asked in ((1, 5_000), (2, 5_000), (3, 5_000), (4, 40_000)):
        sized = build_scenario(anchor=ANCHOR, seed=seed, records=asked)
        number = sum(1 for _ in generate(sized)) - 350  # the incident and its decoys
        assert asked * 0.95 <= number <= asked * 1.05, (seed, asked)


def test_the_same_scenario_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    program = (
        "import hashlib, datetime\n"
        "from trailwarden.demo.scenario import build_scenario\n"
        "from trailwarden.demo.activity import generate\n"
        "anchor = datetime.datetime(2026, 11, 24, 4, 10, tzinfo=datetime.timezone.utc)\n"
        "digest = hashlib.sha256()\n"
        "for body in generate(build_scenario(anchor=anchor, seed=7, records=2000)): digest.update(body)\n"
        "print(digest.hexdigest())\n"
    )
    here = hashlib.sha256()
    for body in generate(build_scenario(anchor=ANCHOR, seed=7, records=2_000)):
        here.update(body)
    for seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == here.hexdigest()


def test_another_seed_another_organisation() -> None:
    one, other = (build_scenario(anchor=ANCHOR, seed=seed, records=1_000) for seed in (7, 8))
    assert one.organization_id != other.organization_id
    assert {user.keys for user in one.iam_users if user.keys}.isdisjoint(
        user.keys for user in other.iam_users if user.keys
    )
    assert next(generate(one)) != next(generate(other))


def test_a_scenario_needs_a_zone_and_a_reasonable_size() -> None:
    with pytest.raises(UsageError):
        build_scenario(anchor=datetime(2026, 11, 24))  # noqa: DTZ001 - that is the point
    with pytest.raises(UsageError):
        build_scenario(anchor=ANCHOR, records=10)


def test_every_record_lies_in_the_thirty_days_before_the_anchor(records: list[Record]) -> None:
    times = [when(record) for record in records]
    assert min(times) >= ANCHOR - timedelta(days=30)
    assert max(times) < ANCHOR
    assert min(times) < ANCHOR - timedelta(days=29, hours=12)
    assert max(times) > ANCHOR - timedelta(hours=1)


def test_delivery_is_in_order_but_for_a_few(records: list[Record]) -> None:
    latest, late = ANCHOR - timedelta(days=31), 0
    for record in records:
        moment = when(record)
        if moment < latest:
            late += 1
            assert timedelta(minutes=15) < latest - moment < timedelta(hours=6)
        latest = max(latest, moment)
    assert 0 < late < len(records) * 0.005


def test_event_ids_are_unique(records: list[Record]) -> None:
    assert len({record["eventID"] for record in records}) == len(records)


def test_about_85_percent_are_reads_and_few_fail(records: list[Record]) -> None:
    reads = sum(record["readOnly"] for record in records) / len(records)
    failures = Counter(record["errorCode"] for record in records if "errorCode" in record)
    assert 0.8 <= reads <= 0.92
    assert 0.005 <= failures.total() / len(records) <= 0.04
    assert {"AccessDenied", "NoSuchBucket", "ThrottlingException", "Client.UnauthorizedOperation"} <= set(failures)
    assert all(record["responseElements"] is None for record in records if "errorCode" in record)


def test_common_fields_have_the_documented_shapes(records: list[Record], scenario: Scenario) -> None:
    accounts = {account.id for account in scenario.accounts}
    for record in records:
        assert record["eventVersion"] == "1.11"
        assert record["managementEvent"] is True
        assert record["eventCategory"] == "Management"
        assert record["recipientAccountId"] in accounts
        assert record["eventType"] in {"AwsApiCall", "AwsServiceEvent", "AwsConsoleSignIn"}
        assert record["eventSource"].endswith(".amazonaws.com")
        assert "<" not in json.dumps([record["requestParameters"], record["responseElements"]])
        if record["eventSource"] in {"iam.amazonaws.com", "organizations.amazonaws.com", "route53.amazonaws.com"}:
            assert record["awsRegion"] == "us-east-1"
        key = identity(record).get("accessKeyId", "")
        assert key == "" or (key.startswith(("AKIADEMO", "ASIADEMO")) and len(key) == 20)


#: How the methods of authentication are told apart: every row must be found in the records.
SHAPES: dict[str, Callable[[Record], bool]] = {
    "Identity Center sign-in": lambda r: (
        named(r, "UserAuthentication")
        and r["eventSource"] == "signin.amazonaws.com"
        and identity(r)["type"] == "IdentityCenterUser"
        and r["serviceEventDetails"] == {"UserAuthentication": "Success"}
        and r["additionalEventData"]["UserName"].endswith("@company.com")
        and identity(r)["onBehalfOf"]["identityStoreArn"].startswith("arn:aws:identitystore::111111111111:")
    ),
    "Identity Center challenge without a name": lambda r: (
        named(r, "CredentialChallenge")
        and "UserName" not in r["additionalEventData"]
        and bool(identity(r)["onBehalfOf"]["userId"])
    ),
    "Identity Center verification": lambda r: (
        named(r, "CredentialVerification") and r["serviceEventDetails"] == {"CredentialVerification": "Success"}
    ),
    "Identity Center issuance": lambda r: (
        named(r, "AssumeRoleWithSAML")
        and ":saml-provider/AWSSSO_" in requested(r)["principalArn"]
        and requested(r)["principalArn"].endswith("_DO_NOT_DELETE")
        and requested(r)["roleSessionName"].endswith("@company.com")
        and identity(r)["type"] == "SAMLUser"
    ),
    "Identity Center session, on behalf of": lambda r: (
        "/aws-reserved/sso.amazonaws.com/" in issuer_path(r) and "userId" in identity(r).get("onBehalfOf", {})
    ),
    "Identity Center session, not saying on behalf of whom": lambda r: (
        "/aws-reserved/sso.amazonaws.com/" in issuer_path(r) and "onBehalfOf" not in identity(r)
    ),
    "credentials from the portal": lambda r: (
        named(r, "GetRoleCredentials")
        and r["responseElements"] is None
        and set(r["serviceEventDetails"]) == {"role_name", "account_id"}
    ),
    "SAML federation": lambda r: (
        named(r, "AssumeRoleWithSAML") and requested(r)["principalArn"].endswith(":saml-provider/CompanyOkta")
    ),
    "SAML console login": lambda r: named(r, "ConsoleLogin") and "SamlProviderArn" in r["additionalEventData"],
    "source identity": lambda r: str(context(r).get("sourceIdentity", "")).endswith("@company.com"),
    "GitHub issuance": lambda r: (
        named(r, "AssumeRoleWithWebIdentity")
        and identity(r)["type"] == "WebIdentityUser"
        and "token.actions.githubusercontent.com" in identity(r)["identityProvider"]
        and identity(r)["userName"].startswith("repo:company/")
    ),
    "GitHub session": lambda r: (
        "token.actions.githubusercontent.com"
        in context(r).get("webIdFederationData", {}).get("federatedProvider", "")
    ),
    "IRSA issuance": lambda r: (
        named(r, "AssumeRoleWithWebIdentity")
        and identity(r)["userName"].startswith("system:serviceaccount:kube-system:")
    ),
    "IRSA session": lambda r: (
        "oidc.eks.eu-central-1" in context(r).get("webIdFederationData", {}).get("federatedProvider", "")
    ),
    "Pod Identity": lambda r: (
        named(r, "AssumeRoleForPodIdentity")
        and r["eventSource"] == "eks-auth.amazonaws.com"
        and issuer_path(r).endswith("role/eks-prod-node")
    ),
    "Pod Identity session": lambda r: ":eks-eks-prod-payments-api-" in identity(r).get("principalId", ""),
    "IAM user, console": lambda r: (
        named(r, "ConsoleLogin") and identity(r)["type"] == "IAMUser" and r["additionalEventData"]["MFAUsed"] == "Yes"
    ),
    "IAM user, access key": lambda r: (
        identity(r)["type"] == "IAMUser" and identity(r).get("accessKeyId", "").startswith("AKIA") and not context(r)
    ),
    "GetSessionToken session": lambda r: (
        identity(r)["type"] == "IAMUser"
        and identity(r).get("accessKeyId", "").startswith("ASIA")
        and context(r)["attributes"]["mfaAuthenticated"] == "true"
    ),
    "GetFederationToken session": lambda r: (
        identity(r)["type"] == "FederatedUser"
        and identity(r)["principalId"].endswith(":dashboard")
        and context(r)["sessionIssuer"]["type"] == "IAMUser"
    ),
    "root": lambda r: named(r, "ConsoleLogin") and identity(r)["type"] == "Root",
    "AssumeRoot": lambda r: context(r).get("assumedRoot") == "true" and identity(r)["type"] == "Root",
    "instance, IMDSv2": lambda r: context(r).get("ec2RoleDelivery") == "2.0",
    "instance, IMDSv1": lambda r: (
        context(r).get("ec2RoleDelivery") == "1.0"
        and ":i-" in identity(r)["principalId"]
        and identity(r)["inScopeOf"]["issuerType"] == "AWS::EC2::Instance"
    ),
    "function": lambda r: (
        identity(r).get("inScopeOf", {}).get("credentialsIssuedTo", "").endswith(":function:order-processor")
        and identity(r)["principalId"].endswith(":order-processor")
    ),
    "AWS service": lambda r: (
        identity(r)["type"] == "AWSService" and identity(r)["invokedBy"] == r["sourceIPAddress"] == r["userAgent"]
    ),
    "service-linked role": lambda r: (
        "/aws-service-role/config.amazonaws.com/" in issuer_path(r)
        and identity(r)["invokedBy"] == r["sourceIPAddress"] == "config.amazonaws.com"
    ),
    "forward access session": lambda r: identity(r).get("invokedBy") == "athena.amazonaws.com",
    "aws login": lambda r: ":signin:" in context(r).get("signInSessionArn", ""),
    "aws login authorizes": lambda r: named(r, "AuthorizeOAuth2Access"),
    "aws login takes a token": lambda r: named(r, "CreateOAuth2Token"),
    "vendor": lambda r: (
        identity(r)["type"] == "AWSAccount"
        and identity(r)["accountId"] == "444444444444"
        and "externalId" in requested(r)
    ),
    "VPC endpoint": lambda r: r.get("vpcEndpointId", "").startswith("vpce-") and r["sourceIPAddress"].startswith("10."),
    "console session": lambda r: r.get("sessionCredentialFromConsole") == "true",
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_method_of_authentication_is_there_in_its_real_shape(shape: str, records: list[Record]) -> None:
    assert any(SHAPES[shape](record) for record in records)


def test_no_credential_of_a_person_is_where_it_does_not_belong(records: list[Record]) -> None:
    for record in records:
        kind = identity(record)["type"]
        if kind == "AWSAccount":
            assert set(identity(record)) == {"type", "principalId", "accountId"}
            assert record["sharedEventID"]
        if kind == "AssumedRole":
            issuer = context(record)["sessionIssuer"]
            role_id, _, session_name = identity(record)["principalId"].partition(":")
            assert issuer["principalId"] == role_id
            assert identity(record)["arn"].endswith(f":assumed-role/{issuer['userName']}/{session_name}")
        if kind == "AWSService":
            assert "arn" not in identity(record)


def test_every_role_session_links_to_what_issued_it(records: list[Record]) -> None:
    by_time: set[tuple[str, str]] = set()
    by_key: set[str] = set()
    for record in records:
        issued = record["responseElements"] if isinstance(record["responseElements"], dict) else {}
        credentials = issued.get("credentials")
        if isinstance(credentials, dict):
            by_key.add(credentials["accessKeyId"])
        if "assumedRoleId" in issued.get("assumedRoleUser", {}):
            by_time.add((issued["assumedRoleUser"]["assumedRoleId"], record["eventTime"]))
    joins: Counter[str] = Counter()
    for record in records:
        if identity(record)["type"] != "AssumedRole":
            continue
        timely = (identity(record)["principalId"], context(record)["attributes"]["creationDate"]) in by_time
        keyed = identity(record).get("accessKeyId") in by_key
        assert timely or keyed, record
        joins["both" if timely and keyed else "time" if timely else "key"] += 1
    assert joins["key"] > 0  # instance profiles
    assert joins["time"] > 0  # the console's own keys, service-linked roles
    assert joins["both"] > 0


def test_temporary_keys_of_iam_users_link_too(records: list[Record]) -> None:
    issued = {
        record["responseElements"]["credentials"]["accessKeyId"]
        for record in records
        if named(record, "GetSessionToken", "GetFederationToken", "AssumeRoot")
    }
    used = {
        identity(record)["accessKeyId"]
        for record in records
        if identity(record)["type"] == "FederatedUser"
        or "assumedRoot" in context(record)
        or (identity(record)["type"] == "IAMUser" and "sessionIssuer" in context(record))
    }
    assert used
    assert used <= issued


def test_a_call_across_accounts_has_two_records_with_one_shared_id(records: list[Record]) -> None:
    shared: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if "sharedEventID" in record:
            shared[record["sharedEventID"]].append(record)
    pairs = [copies for copies in shared.values() if len(copies) > 1]
    assert len(pairs) > 5
    for one, other in pairs:
        assert {one["recipientAccountId"], other["recipientAccountId"]} <= {
            "111111111111",
            "222222222222",
            "333333333333",
        }
        assert one["recipientAccountId"] != other["recipientAccountId"]
        assert (one["eventTime"], one["requestID"]) == (other["eventTime"], other["requestID"])
        assert sorted(identity(copy)["type"] == "AWSAccount" for copy in (one, other)) == [False, True]


def test_people_work_in_their_hours(records: list[Record], scenario: Scenario) -> None:
    people = {person.email: person for person in scenario.people}
    by_user_id = {person.user_id: person for person in scenario.people if person.user_id}
    by_key = {key: people[user.owner] for user in scenario.iam_users if user.owner for key, _ in user.keys}
    on_call = (ANCHOR - timedelta(days=2)).date()
    seen: set[str] = set()
    for record in records:
        if record["sourceIPAddress"] in {ATTACKER_IP, TRAVEL_IP} or record.get("errorCode"):
            continue
        session_name = identity(record).get("principalId", "").rpartition(":")[2]
        behalf = identity(record).get("onBehalfOf", {}).get("userId", "")
        key = identity(record).get("accessKeyId", "")
        person = people.get(session_name) or by_user_id.get(behalf) or by_key.get(key)
        if person is None or (person.name == "john" and when(record).date() >= on_call):
            continue
        local = when(record).astimezone(ZoneInfo(person.place.zone))
        # The portal's own call of AssumeRoleWithSAML for a sign-in by the intruder comes from the portal's address.
        if record["eventName"] == "AssumeRoleWithSAML" and ANCHOR - when(record) < timedelta(days=1):
            continue
        assert local.weekday() < 5, (person.name, record["eventTime"])
        assert 8 <= local.hour < 20, (person.name, record["eventTime"])
        seen.add(person.name)
    assert len(seen) > 40


def test_addresses_are_of_homes_shared_offices_and_programs(records: list[Record], scenario: Scenario) -> None:
    addresses: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if identity(record)["type"] == "IdentityCenterUser":
            addresses[record["sourceIPAddress"]].add(identity(record)["onBehalfOf"]["userId"])
    homes = {person.home_ip for person in scenario.people}
    assert len(homes) == len(scenario.people)
    offices = {person.place.office_ip for person in scenario.people}
    assert all(len(users) == 1 for address, users in addresses.items() if address in homes)
    assert all(len(addresses[office]) > 2 for office in offices)


def test_the_organisation_has_the_people_and_programs_of_the_story(scenario: Scenario) -> None:
    centre = [person.email for person in scenario.people if person.federation == "identity_center"]
    assert len(centre) == 40
    assert {"john@company.com", "jane@company.com", "john.smith@company.com"} <= set(centre)
    assert len(scenario.workloads) == 25
    assert [account.name for account in scenario.accounts] == ["acme-security", "acme-production", "acme-development"]
    assert len({role.id for role in scenario.roles}) == len(scenario.roles)

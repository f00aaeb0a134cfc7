"""What is planted in the simulated organisation is found, and nothing else of its kind."""

from functools import cache

import pytest

from trailwarden.demo.iam_world import ANCHOR, DEVELOPMENT, MANAGEMENT, PLANTED, PRODUCTION, Planted, world_snapshot
from trailwarden.iam.scan import ScanResult, scan

#: What a planted case is told by. Paths to an administrator are the search's, and tested with it.
FINDINGS: dict[str, str] = {
    "trust_anyone": "iam-trust-anyone",
    "trust_external_account": "iam-trust-external-account",
    "trust_without_external_id": "iam-trust-without-external-id",
    "trust_oidc_without_subject": "iam-trust-oidc-without-subject",
    "not_action_allow": "iam-not-action-allow",
    "wildcard_data": "iam-data-exposure",
    "wildcard_secrets": "iam-secrets-exposure",
    "grants_nothing": "iam-grants-nothing",
    "unused": "iam-unused-principal",
    "old_access_key": "iam-old-access-key",
    "several_access_keys": "iam-several-access-keys",
    "public_resource": "iam-public-resource",
    "external_resource": "iam-external-resource",
}
CASES = [each for each in PLANTED if each.expects != "reaches_administrator"]


@cache
def result(account: str) -> ScanResult:
    accounts = (MANAGEMENT, PRODUCTION, DEVELOPMENT)
    return scan(world_snapshot(account), paths={}, now=ANCHOR, known_accounts=accounts)


def test_cases_of_each_kind_are_here() -> None:
    assert {each.expects for each in CASES} == {"administrator", *FINDINGS}
    assert {each.account for each in CASES} <= {PRODUCTION, DEVELOPMENT}


@pytest.mark.parametrize("case", CASES, ids=lambda each: f"{each.subject}-{each.expects}-{each.found}")
def test_planted(case: Planted) -> None:
    found = result(case.account)
    subjects = {each.arn: each.findings for each in found.principals}
    subjects |= {each.arn: each.findings for each in found.others}
    if case.expects == "administrator":
        administrators = {each.arn for each in found.principals if each.admin}
        assert (case.subject in administrators) is case.found, case.why
    else:
        ids = {each.id for each in subjects.get(case.subject, ())}
        assert (FINDINGS[case.expects] in ids) is case.found, case.why


@pytest.mark.parametrize("account", [PRODUCTION, DEVELOPMENT])
def test_the_simulation_holds_nothing_public_but_what_is_planted(account: str) -> None:
    planted = {
        each.subject for each in CASES if each.expects in ("public_resource", "external_resource") and each.found
    }
    assert {each.arn for each in result(account).others} == {
        arn for arn in planted if next(each.account for each in CASES if each.subject == arn) == account
    }

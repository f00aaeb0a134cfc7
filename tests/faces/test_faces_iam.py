"""What roles can do, on the demo organisation and on files: scan, role, can, who-can and changes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faces_kit import answer, run

from trailwarden.app import App
from trailwarden.demo.iam_world import PLANTED, authorization_file
from trailwarden.demo.run import Running
from trailwarden.lake.iam_snapshots import IamSnapshots

DEVELOPMENT = "333333333333"
PRINCIPAL = {"arn", "kind", "admin", "admin_by", "reaches_admin", "paths", "score", "severity", "findings"}
STEP = {"principal", "rule", "actions", "statement", "certain"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("iam") / "account.json"
    path.write_text(json.dumps(authorization_file(DEVELOPMENT), default=str))
    return path


def well_formed(principal: dict[str, Any]) -> None:
    assert principal.keys() >= PRINCIPAL
    assert 0 <= principal["score"] <= 100
    assert principal["score"] == min(100, sum(part["points"] for part in principal["score_parts"]))
    for finding in principal["findings"]:
        assert finding.keys() >= {"id", "severity", "title", "evidence", "recommendation"}
        assert finding["evidence"]
    for path in principal["paths"]:
        assert path.keys() >= {"id", "to", "steps", "conditions"}
        for step in path["steps"]:
            assert step.keys() >= STEP
        assert path["steps"][0]["principal"] == principal["arn"]
        assert path["steps"][-1]["to"] == path["to"]


def test_a_scan_of_the_connected_accounts_finds_what_is_planted_and_nothing_that_is_ruled_out(up: Running) -> None:
    found = answer("iam", "scan")
    assert found.keys() >= {"principals", "account", "coverage"}
    principals = {each["arn"]: each for each in found["principals"]}
    for each in principals.values():
        well_formed(each)
    scores = [each["score"] for each in found["principals"]]
    assert scores == sorted(scores, reverse=True)
    assert found["coverage"]["gaps"] == []
    told = {
        "administrator": {arn for arn, each in principals.items() if each["admin"]},
        "reaches_administrator": {arn for arn, each in principals.items() if each["reaches_admin"]},
    }
    cases = [each for each in PLANTED if each.expects in told]
    assert len(cases) > 20
    assert [each for each in cases if (each.subject in told[each.expects]) is not each.found] == []


def test_a_file_needs_no_connection_and_says_what_it_does_not_know(file: Path, tmp_path: Path) -> None:
    result = run("iam", "scan", "--authorization-details", str(file), "--format", "json", home=tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["account"] == DEVELOPMENT
    assert found["coverage"]["sources"][0]["location"] == str(file)
    assert any("MFA" in note for note in found["coverage"]["notes"])
    for each in found["principals"]:
        well_formed(each)


def test_a_role_is_told_whole(up: Running) -> None:
    role = answer("iam", "role", "DeployRole")
    well_formed(role)
    assert role.keys() >= {"effective", "trust", "recommendations", "score_parts", "policies", "coverage"}
    assert role["reaches_admin"] is True
    assert any(path["to"].endswith("role/CloudFormationExecutionRole") for path in role["paths"])
    assert any("222222222222" in line["who"] for line in role["trust"])
    removed = [each["removes"] for each in role["recommendations"]]
    assert removed == sorted(removed, reverse=True)
    assert answer("iam", "role", role["arn"])["arn"] == role["arn"]


def test_the_least_privilege_policy_is_what_the_records_show(up: Running) -> None:
    role = answer("iam", "role", "DeployRole")
    document = next(each["after"] for each in role["recommendations"] if each["id"] == "least-privilege")
    statements = document["policy"]["Statement"] if "policy" in document else document["Statement"]
    granted = {action for statement in statements for action in statement["Action"]}
    assert "cloudformation:DescribeStacks" in granted
    assert not any("*" in action for action in granted)


def test_an_unknown_role_is_refused_with_the_nearest_name(up: Running) -> None:
    result = run("iam", "role", "DeplyRole", home=up.home)
    assert result.exit_code == 1
    assert "DeployRole" in result.stderr


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (("DeployRole", "cloudformation:CreateStack"), "yes"),
        (("DeployRole", "iam:CreateUser"), "no"),
        (("DeployRole", "iam:PassRole"), "part"),
        ((["legacy", "LegacyAutomation"][-1], "s3:GetObject"), "no"),
    ],
)
def test_what_a_role_can_do(up: Running, question: tuple[str, str], expected: str) -> None:
    found = answer("iam", "can", *question)
    assert [each["answer"] for each in found["permissions"]] == [expected]
    if expected == "no":
        assert found["permissions"][0]["blocked_by"]
    else:
        assert found["permissions"][0]["permitted_by"]


def test_everything_on_one_resource(up: Running) -> None:
    found = answer("iam", "can", "AdminRole", "--on", "arn:aws:s3:::acme-production-invoices")
    assert any("s3:DeleteBucket" in each["actions"] for each in found["permissions"])
    assert run("iam", "can", "AdminRole", home=up.home).exit_code == 2


def test_who_can(up: Running) -> None:
    found = answer("iam", "who-can", "iam:CreateAccessKey")
    certain = {each["principal"] for each in found["principals"] if each["answer"] == "yes"}
    assert up.story.admin_role_arn in certain
    assert all(each["permitted_by"] for each in found["principals"])
    assert any("own policy" in note for note in found["coverage"]["notes"])


def test_what_changed_is_told_with_who_can_do_more_now(up: Running) -> None:
    answer("iam", "scan", "--account", DEVELOPMENT, "--refresh")
    arn = f"arn:aws:iam::{DEVELOPMENT}:role/DeployRole"
    with App.open(up.home) as app:
        kept = IamSnapshots(app.lake.root)
        now = kept.load(DEVELOPMENT, kept.list(DEVELOPMENT)[0])
        role = now.authorization.roles[arn]
        less = msgspec.structs.replace(role, inline=())
        before = msgspec.structs.replace(
            now,
            taken=now.taken - timedelta(days=400),
            authorization=msgspec.structs.replace(now.authorization, roles={**now.authorization.roles, arn: less}),
        )
        kept.save(before)
    found = answer("iam", "changes", "--account", DEVELOPMENT)
    (account,) = found["accounts"]
    assert [(change["kind"], change["subject"]) for change in account["changes"]] == [("policy_created", arn)]
    (moved,) = account["permissions"]
    assert moved["principal"] == arn
    assert "cloudformation:CreateStack" in moved["gained"]
    assert moved["lost"] == []


def test_snapshots_that_cannot_be_compared_are_said(up: Running, tmp_path: Path) -> None:
    assert run("iam", "changes", home=tmp_path).exit_code == 1
    result = run("iam", "changes", "--from", "2001-01-01", "--to", "2001-02-01", home=up.home)
    assert result.exit_code == 1
    assert "snapshots" in result.stderr


def test_tables(up: Running) -> None:
    for command in (
        ("iam", "scan"),
        ("iam", "scan", "--details", "--limit", "3"),
        ("iam", "role", "DeployRole", "--details"),
        ("iam", "can", "DeployRole", "iam:*"),
        ("iam", "who-can", "iam:PassRole"),
    ):
        result = run(*command, home=up.home)
        assert result.exit_code == 0, result.output
        assert "Looked at: " in result.stdout

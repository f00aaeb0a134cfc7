"""Response on the command line: from a proposal to a verified action and its undo, on the demo organisation."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from faces_kit import answer, on_terminal, run

from trailwarden.app import App
from trailwarden.demo.run import Running


def propose(name: str, *arguments: str, reason: str = "case 4711") -> dict[str, Any]:
    given = [word for each in arguments for word in ("--arg", each)]
    return answer("actions", "propose", name, *given, "--account", "222222222222", "--reason", reason)


def approve(identifier: str, name: str) -> tuple[int, str]:
    return on_terminal("actions", "approve", identifier, answers={"to approve": name})


def iam(up: Running) -> Any:
    """The production account's IAM, as its read role sees it."""
    with App.open(up.home) as app:
        connection = app.state.connections.get("222222222222", purpose="read")
        return app.broker.session(connection).client("iam")


def test_a_key_is_proposed_approved_deleted_and_watched(up: Running) -> None:
    key = up.story.stolen_key
    found = propose("delete_access_key", f"access_key_id={key}", reason="used from a Tor exit")
    assert found.keys() >= {
        "id", "state", "action", "target", "plan", "blast_radius", "confidence", "evidence", "missing_permissions",
    }  # fmt: skip
    assert (found["state"], found["action"]) == ("pending", "delete_access_key")
    assert found["target"]["id"] == key
    assert found["target"]["owner"] == "john@company.com"
    assert [step["api"] for step in found["plan"]["steps"]] == ["iam:UpdateAccessKey", "iam:DeleteAccessKey"]
    assert all(step.keys() >= {"api", "params", "undo"} for step in found["plan"]["steps"])
    assert found["plan"].keys() >= {"sha256", "steps", "pre_state"}
    assert found["missing_permissions"] == []
    assert found["confidence"].keys() >= {"score", "label", "parts"}
    assert found["confidence"]["score"] > 0.8
    with App.open(up.home) as app:
        assert all(app.event(each["event_id"]).records for each in found["evidence"])

    again = propose("delete_access_key", f"access_key_id={key}", reason="seen twice")
    assert (again["id"], again["joined"]) == (found["id"], True)

    refused = run("actions", "approve", found["id"])
    assert refused.exit_code != 0
    assert "terminal" in refused.output
    code, screen = approve(found["id"], "jane")
    assert code == 2
    assert "the target's name must be typed" in screen
    assert key in [each["AccessKeyId"] for each in iam(up).list_access_keys(UserName="john")["AccessKeyMetadata"]]

    code, screen = approve(found["id"], "john")
    assert code == 0, screen
    assert "verified" in screen
    shown = answer("actions", "show", found["id"])
    assert [each["state"] for each in shown["history"]] == [
        "pending", "pending", "approved", "executing", "succeeded", "verified",
    ]  # fmt: skip
    assert "without four eyes" in shown["history"][2]["note"]
    assert [step["outcome"]["state"] for step in shown["plan"]["steps"]] == ["done", "done"]
    assert all(step["outcome"]["request_id"] for step in shown["plan"]["steps"])
    assert shown["watches"][0]["calls"] == 0
    assert key not in [each["AccessKeyId"] for each in iam(up).list_access_keys(UserName="john")["AccessKeyMetadata"]]

    code, screen = approve(found["id"], "john")
    assert code == 2, "an approval was replayed"
    (used,) = answer("audit", "list", "--kind", "proposal.credentials", "--proposal", found["id"])["entries"]
    assert used["body"]["source_identity"], "the account's own CloudTrail does not name the approver"
    policy = json.loads(used["body"]["session_policy"])
    assert policy["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["iam:UpdateAccessKey", "iam:DeleteAccessKey"],
            "Resource": "arn:aws:iam::222222222222:user/john",
        }
    ]
    denied = answer("audit", "list", "--kind", "denied", "--proposal", found["id"])["entries"]
    assert {each["body"]["code"] for each in denied} == {"not_confirmed", "IllegalMove"}


def test_a_user_is_disabled_and_enabled_again(up: Running) -> None:
    found = propose("disable_user", "user=laura")
    code, screen = approve(found["id"], "laura")
    assert code == 0, screen
    keys = iam(up).list_access_keys(UserName="laura")["AccessKeyMetadata"]
    assert {each["Status"] for each in keys} == {"Inactive"}
    attached = iam(up).list_attached_user_policies(UserName="laura")["AttachedPolicies"]
    assert "AWSDenyAll" in {each["PolicyName"] for each in attached}

    undo = answer("actions", "undo", found["id"], "--reason", "it was the red team")
    assert undo["undoes"] == found["id"]
    assert undo["state"] == "pending", "an undo is a proposal like any other"
    code, screen = approve(undo["id"], "laura")
    assert code == 0, screen
    keys = iam(up).list_access_keys(UserName="laura")["AccessKeyMetadata"]
    assert {each["Status"] for each in keys} == {"Active"}
    assert answer("actions", "show", found["id"])["state"] == "undone"
    again = run("actions", "undo", found["id"], "--reason", "twice")
    assert again.exit_code == 2


def test_a_target_that_changed_is_not_touched_and_proposed_anew(up: Running) -> None:
    found = propose("disable_user", "user=reporting")
    with App.open(up.home) as app:
        responder = app.state.connections.get("222222222222", purpose="respond")
        (key,) = iam(up).list_access_keys(UserName="reporting")["AccessKeyMetadata"]
        client = app.broker.session(responder).client("iam")
        client.update_access_key(UserName="reporting", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    code, screen = approve(found["id"], "reporting")
    assert code == 1, screen
    shown = answer("actions", "show", found["id"])
    assert shown["state"] == "superseded"
    assert all(step["outcome"] is None for step in shown["plan"]["steps"])
    waiting = [each for each in answer("actions", "list")["proposals"] if each["target"]["name"] == "reporting"]
    assert [each["state"] for each in waiting] == ["pending"]
    assert waiting[0]["plan"]["sha256"] != found["plan"]["sha256"]


def test_plain_words_propose_and_stop(up: Running) -> None:
    asked = answer("ask", "Disable john@company.com because his laptop was stolen")
    (made,) = asked["result"]["proposals"]
    assert (made["action"], made["state"]) == ("disable_user", "pending")
    assert made["target"]["name"] == "john"
    assert made["reason"] == "his laptop was stolen"
    assert asked["interpretation"]["tool"] == "actions_propose"
    policies = iam(up).list_attached_user_policies(UserName="john")["AttachedPolicies"]
    assert "AWSDenyAll" not in {each["PolicyName"] for each in policies}


def test_what_is_said_to_be_somebodys_must_be_theirs(up: Running) -> None:
    key = next(each for user in up.scenario.iam_users if user.name == "laura" for each, _ in user.keys)
    found = run("ask", f"Delete john's access key {key}")
    assert found.exit_code == 2
    assert "is not john's" in found.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("revoke_sessions", "--arg", "role=TrailwardenReadOnly"), "how this installation reaches the account"),
        (("revoke_sessions", "--arg", "role=AdminRole"), "respond.revoke_sessions"),
        (("disable_user", "--arg", "user=nobody-at-all"), "nobody-at-all"),
        (("disable_user", "--arg", "name=john"), "no argument name"),
        (("disable_user",), "user"),
        (("delete_access_key", "--arg", "access_key_id=ASIAIOSFODNN7EXAMPLE"), "temporary key"),
    ],
)
def test_what_is_not_proposed_is_said(up: Running, words: tuple[str, ...], why: str) -> None:
    found = run("actions", "propose", *words, "--account", "222222222222", "--reason", "test")
    assert found.exit_code != 0
    assert why in " ".join(found.output.split())


def test_the_chain_holds_and_an_export_can_be_verified(up: Running, tmp_path: Path) -> None:
    report = answer("audit", "verify")
    assert report["ok"]
    assert report["entries"] > 0
    kept = tmp_path / "audit.jsonl"
    assert run("audit", "export", str(kept)).exit_code == 0
    assert answer("audit", "verify", "--against", str(kept))["checkpoint"]["seq"] >= report["entries"]
    assert answer("audit", "verify", "--export", str(kept))["ok"]
    kept.write_text(kept.read_text().replace("case 4711", "case 4712"))
    broken = run("audit", "verify", "--export", str(kept), "--format", "json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["broken"]["fault"] == "changed"


def test_no_command_line_can_name_an_approver(up: Running) -> None:
    for command in ("approve", "reject", "settle", "run"):
        text = run("actions", command, "--help").output
        assert "--approver" not in text
        assert "--as" not in text


def test_the_read_role_cannot_change_what_it_reads(up: Running) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        iam(up).delete_user(UserName="maria")


def test_the_rules_propose_and_whoever_ran_them_is_behind_it(up: Running) -> None:
    found = answer("actions", "suggest", "--last", "7d", "--least", "medium")
    assert found["proposals"] or found["others"]
    for each in [one for one in found["proposals"] if not one["joined"]]:
        assert each["proposer"]["kind"] == "rule"
        assert each["action"] == "disable_user"
        assert each["evidence"]
        with App.open(up.home) as app:
            (entry, *_) = (one for one in app.audit_list(proposal=each["id"]).entries if one.kind == "proposal.propose")
            assert entry.body["asked_by"], "nobody is behind what the rules propose: they could approve it alone"


def test_the_least_policy_of_an_action_and_what_the_published_one_lacks(up: Running) -> None:
    found = run("accounts", "policy", "222222222222", "--for", "respond", "--action", "delete_access_key")
    assert found.exit_code == 0, found.output
    (policy,) = json.loads(found.stdout)["Policies"]
    allowed = {action for each in policy["Statement"] for action in each["Action"]}
    assert {"iam:UpdateAccessKey", "iam:DeleteAccessKey", "iam:ListAccessKeys"} <= allowed
    assert not {"iam:PutRolePolicy", "iam:DeleteUser", "ec2:TerminateInstances"} & allowed
    every = run("accounts", "policy", "222222222222", "--for", "respond")
    assert "disable_user: the published sample policy lacks" in " ".join(every.stderr.split())
    assert "iam:AttachUserPolicy" in every.stderr


def test_the_doctor_says_what_a_role_may_do_of_each_action(up: Running) -> None:
    found = run("accounts", "doctor", "222222222222", "--format", "json")
    report = json.loads(found.stdout)
    (responder,) = (each for each in report["diagnoses"] if each["connection"]["purpose"] == "respond")
    checks = {each["title"]: each["status"] for each in responder["checks"]}
    assert checks["A session can name the approver (SourceIdentity)"] == "ok"
    assert checks["May carry out: Delete an access key"] == "ok"
    assert len([title for title in checks if title.startswith("May carry out: ")]) == 7


@pytest.mark.parametrize("action", ["terminate_instances", "delete_user", "detach_admin_policies", "block_ip"])
def test_every_other_action_from_plain_words_to_verified(up: Running, action: str) -> None:
    backdoor, instance = up.story.backdoor_user, up.story.rogue_instance
    asked, confirmed, apis = {
        "terminate_instances": (f"Terminate {instance}", instance, {"ec2:StopInstances", "ec2:TerminateInstances"}),
        "detach_admin_policies": (
            f"Detach admin policies from user {backdoor} in account {up.scenario.development.id}",
            backdoor,
            {"iam:DetachUserPolicy"},
        ),
        "delete_user": ("Delete user peter", "peter", {"iam:DeleteAccessKey", "iam:DeleteUser"}),
        "block_ip": ("Block 185.220.101.1 in WAF", "185.220.101.1", {"wafv2:UpdateIPSet"}),
    }[action]
    (made,) = answer("ask", asked)["result"]["proposals"]
    assert made["action"] == action
    assert apis <= {step["api"] for step in made["plan"]["steps"]}
    assert made["missing_permissions"] == []
    code, screen = approve(made["id"], confirmed)
    assert code == 0, screen
    assert answer("actions", "show", made["id"])["state"] == "verified"


def test_sessions_are_revoked_where_the_setting_allows_it(up: Running) -> None:
    config = up.home / "config.toml"
    before = config.read_text()
    config.write_text(f"{before}\n[respond]\nrevoke_sessions = true\n")
    try:
        made = propose("revoke_sessions", "role=AdminRole")
        code, screen = approve(made["id"], "AdminRole")
        assert code == 0, screen
        undo = answer("actions", "undo", made["id"], "--reason", "its trust is fixed")
        assert [step["api"] for step in undo["plan"]["steps"]] == ["iam:DeleteRolePolicy"]
    finally:
        config.write_text(before)

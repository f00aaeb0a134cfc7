"""Questions about IAM and endpoint alerts: follow-ups, the table of actions, hostile names, and answers in words."""

from datetime import UTC, timedelta
from typing import Any

import msgspec
import pytest
from ask_kit import COMPLETE, NOW, ask, session

from trailwarden.ask import (
    Interpretation,
    Names,
    summarize_correlation,
    summarize_iam_can,
    summarize_iam_changes,
    summarize_iam_role,
    summarize_iam_scan,
    summarize_iam_who_can,
)
from trailwarden.ask.actions import ACTIONS
from trailwarden.errors import NotUnderstood
from trailwarden.model.alert import Alert, MatchEvidence, NotableEvent, SessionMatch
from trailwarden.model.iam_report import (
    EscalationPath,
    EscalationStep,
    IamFinding,
    PrincipalReport,
    Recommendation,
    TrustLine,
)

READ = "s3:GetObject 'arn:aws:s3:::my-logs/*'"
CONVERSATIONS = {
    "a role": (
        ["What permissions does AdminRole have?", "is it over-privileged?", "can it read bucket my-logs?",
         "who can assume it?", "and in account prod?", "what about role deploy?"],
        ["iam role AdminRole", "iam role AdminRole", f"iam can AdminRole {READ}", "iam role AdminRole",
         "iam role AdminRole --account 111111111111", "iam role deploy --account 111111111111"],
    ),
    "calls, then what the role may do": (
        ["What did role AdminRole do yesterday?", "is it over-privileged?"],
        ["search --role AdminRole --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z", "iam role AdminRole"],
    ),
    "what a role may do, then what it did": (
        ["Is AdminRole over-privileged?", "what did it do today?"],
        ["iam role AdminRole",
         "search --role AdminRole --from 2026-11-24T00:00:00Z --to 2026-11-24T03:42:38Z"],
    ),
    "who can": (
        ["Who can create access keys?", "and in prod?"],
        ["iam who-can iam:CreateAccessKey", "iam who-can iam:CreateAccessKey --account 111111111111"],
    ),
    "changes": (
        ["What changed in IAM since yesterday?", "and in the last 7 days?"],
        ["iam changes --from 2026-11-23T00:00:00Z --to 2026-11-24T03:42:38Z", "iam changes --last 7d"],
    ),
    "alerts": (
        ["Any endpoint alerts in the last 24 hours?", "and john?", "and yesterday?"],
        ["correlate recent --last 24h", "correlate recent --user john --last 24h",
         "correlate recent --user john --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_questions_continue_one_another(name: str) -> None:
    questions, commands = CONVERSATIONS[name]
    previous: Interpretation | None = None
    for question, command in zip(questions, commands, strict=True):
        previous = ask(question, previous)
        assert previous.command == f"trailwarden {command}"


@pytest.mark.parametrize(
    ("before", "question", "named"),
    [
        ("Is AdminRole over-privileged?", "and yesterday?", "takes no time"),
        ("Who can create access keys?", "and only failures", "nothing of the kind"),
        ("Any endpoint alerts today?", "and in account prod?", "nothing of the kind"),
    ],
)
def test_what_a_question_cannot_be_continued_by_is_said(before: str, question: str, named: str) -> None:
    with pytest.raises(NotUnderstood, match=named):
        ask(question, ask(before))


def test_every_action_of_the_table_is_one_of_its_service() -> None:
    names = [action for kinds in ACTIONS.values() for action in kinds.values()]
    assert all(name.partition(":")[0].islower() and name.partition(":")[2][:1].isupper() for name in names)


def test_names_of_the_lake_change_no_question_about_permissions_or_alerts() -> None:
    words = ("admin", "rights", "permissions", "can", "over-privileged", "alert", "falcon", "laptop", "endpoint")
    hostile = Names(users=dict.fromkeys(words, 1), roles=dict.fromkeys(words, 1))
    for question in (
        "Which users have admin rights?", "Who can become admin?", "Who can create access keys?",
        "Which roles are over-privileged?", "Any endpoint alerts today?",
        "Did anything happen in AWS after the Falcon detection on the laptop of john@company.com?",
    ):  # fmt: skip
        assert ask(question, names=hostile).command == ask(question, names=Names()).command


def test_how_words_were_read_is_told() -> None:
    (notice,) = ask("Can role deploy read bucket my-logs?").notices
    assert notice == "'read bucket my-logs' is read as s3:GetObject on arn:aws:s3:::my-logs/*"


def test_what_looks_like_an_option_is_none() -> None:
    assert ask('Is role "-x" over-privileged?').command == "trailwarden iam role -- -x"


STEP = EscalationStep(principal="arn:p", rule="iam-create-access-key", to="arn:boss", actions=("iam:CreateAccessKey",),
                      statement=None)  # fmt: skip


def report(name: str = "AdminRole", **fields: Any) -> PrincipalReport:
    known: dict[str, Any] = {
        "arn": f"arn:aws:iam::111111111111:role/{name}", "kind": "role", "name": name, "admin": False,
        "admin_by": (), "reaches_admin": False, "paths": (), "score": 10, "severity": "low", "findings": (),
    }  # fmt: skip
    return PrincipalReport(**(known | fields))


def told_of_role(question: str, subject: PrincipalReport, *trust: TrustLine) -> str:
    advice = [Recommendation(id="r", title="Remove the statement", removes=60)]
    return summarize_iam_role(
        ask(question), subject, services=(), trust=trust, recommendations=advice, coverage=COMPLETE
    ).summary


@pytest.mark.parametrize(
    ("question", "subject", "sentence"),
    [
        ("Is AdminRole over-privileged?",
         report(admin=True, admin_by=("AdministratorAccess",), score=85, severity="high"),
         "has a risk score of 85 of 100 (high). It is an administrator: AdministratorAccess."),
        ("Is AdminRole over-privileged?", report(), ("Nothing was found wrong with it. First to change: Remove the "
         "statement, which takes 60 points away.")),
        ("Can AdminRole become administrator?",
         report(reaches_admin=True, paths=(EscalationPath(id="p", to="arn:boss", steps=(STEP,), certain=True),)),
         "It is no administrator, but can become one in 1 step: iam-create-access-key, to arn:boss."),
        ("What permissions does AdminRole have?", report(), "has no effective permissions."),
        ("Who can assume AdminRole?", report(), "Nobody can assume role AdminRole of account 111111111111"),
    ],
)  # fmt: skip
def test_a_role_in_words(question: str, subject: PrincipalReport, sentence: str) -> None:
    assert sentence in told_of_role(question, subject)


def test_who_can_assume_a_role_is_told_with_conditions() -> None:
    line = TrustLine(
        who="account 999999999999", how="by sts:AssumeRole", conditions=("MFA",), concern="iam-trust-anyone"
    )
    assert "account 999999999999 by sts:AssumeRole if MFA (iam-trust-anyone)." in told_of_role(
        "Who can assume AdminRole?", report(), line
    )


def test_a_scan_in_words() -> None:
    unused = IamFinding(id="iam-unused-principal", severity="low", title="Unused")
    found = [report("Boss", admin=True, score=90, severity="high"), report("Old", findings=(unused,))]

    def said(question: str) -> str:
        return summarize_iam_scan(ask(question), found, total=2, accounts=("111111111111",), coverage=COMPLETE).summary

    assert said("Who are the administrators?") == (
        "1 administrator in account 111111111111: role Boss (90, account 111111111111)."
    )
    assert said("which roles are unused?").startswith(
        "1 unused principal among roles in account 111111111111: role Old"
    )
    assert said("Who can become administrator?").startswith("No principal that can become administrator in account")
    assert "By severity: 1 high, 1 low." in said("scan all roles")


class Said(msgspec.Struct, frozen=True):
    principal: str
    answer: str
    actions: tuple[str, ...] = ("s3:GetObject",)
    resource: str = "arn:aws:s3:::my-logs/*"
    when: str = ""
    blocked_by: tuple[str, ...] = ()


ROLE, USER = "arn:aws:iam::111111111111:role/AdminRole", "arn:aws:iam::111111111111:user/jane"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Said(ROLE, "yes"), "Yes: AdminRole can: s3:GetObject on arn:aws:s3:::my-logs/*."),
        (Said(ROLE, "no", blocked_by=("boundary",)), ("No: AdminRole cannot s3:GetObject on arn:aws:s3:::my-logs/*: "
         "stopped by boundary.")),
        (Said(ROLE, "conditional", when="MFA is present"), "Only if conditions hold:"),
        (Said(ROLE, "conditional", when="MFA is present"), "Under the condition: MFA is present."),
        (Said(ROLE, "part"), "In part: AdminRole can in part:"),
    ],
)  # fmt: skip
def test_whether_it_can_in_words(answer: Said, sentence: str) -> None:
    asked = ask("Can AdminRole read bucket my-logs?")
    assert sentence in summarize_iam_can(asked, [answer], coverage=COMPLETE).summary


def test_who_can_tells_of_the_kind_that_was_asked_for_and_counts_the_others() -> None:
    asked = ask("Which roles can read bucket my-logs?")
    summary = summarize_iam_who_can(asked, [Said(ROLE, "yes"), Said(USER, "part")], coverage=COMPLETE).summary

    assert summary == (
        f"1 role can s3:GetObject on arn:aws:s3:::my-logs/*. For certain: {ROLE}. "
        "Besides, 1 principal of other kinds can."
    )
    assert summarize_iam_who_can(asked, [], coverage=COMPLETE).summary.startswith("No role can s3:GetObject")


def test_changes_in_words() -> None:
    changed = [("111111111111", NOW - timedelta(days=1), NOW, 2, [(ROLE, True)])]
    summary = summarize_iam_changes(ask("What changed in IAM today?"), changed, coverage=COMPLETE).summary
    assert "In account 111111111111, 2 things changed in IAM between 2026-11-23 03:42 and" in summary
    assert f"Became administrator: {ROLE}." in summary


class Match(msgspec.Struct, frozen=True):
    alert: Alert
    matches: tuple[SessionMatch, ...] = ()
    host: None = None


ALERT = Alert(
    composite_id="c:ind:a:1", time=NOW, created=NOW, product="epp", name="CredentialTheft", hostname="LAPTOP-7"
)
FOUND = SessionMatch(
    session=session(), score=0.82, against=("a shared address",), time_factor=1.0,
    evidence=(MatchEvidence(kind="external_ip", weight=0.5, alert_field="device.external_ip",
                            alert_value="203.0.113.7", event_id="e", event_field="sourceIPAddress",
                            event_value="203.0.113.7"),),
    notable_events=(NotableEvent(event_id="e", time=NOW, account=None, region=None, event="CreateAccessKey",
                                 error_code=None, reasons=("persistence",)),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("matches", "sentence"),
    [
        ((FOUND,), ("it may belong to session ses-0123456789abcdef (role AdminRole, session name jane in account "
         "111111111111), with a score of 0.82 by external ip.")),
        ((FOUND,), "Against it speaks: a shared address."),
        ((FOUND,), "After the alert it made 1 notable call: CreateAccessKey at 2026-11-24 03:42:38 UTC (persistence)."),
        ((), "No AWS session matches any of them."),
    ],
)  # fmt: skip
def test_a_correlation_in_words(matches: tuple[SessionMatch, ...], sentence: str) -> None:
    asked = ask("Find AWS sessions related to the CrowdStrike alert on LAPTOP-7")
    told = summarize_correlation(asked, [Match(ALERT, matches)], total=1, coverage=COMPLETE, zone=UTC)
    assert sentence in told.summary


def test_whether_anything_happened_is_answered_by_matches_not_by_alerts() -> None:
    asked = ask("Did anything happen in AWS after the Falcon detection on host LAPTOP-7?")
    for matches, begins in (((FOUND,), "Yes: 1 endpoint alert"), ((), "Nothing that is known: 1 endpoint alert")):
        told = summarize_correlation(asked, [Match(ALERT, matches)], total=1, coverage=COMPLETE, zone=UTC)
        assert told.summary.startswith(begins)

"""Answers about sessions in words: every sentence comes from the sessions."""

from datetime import UTC, timedelta, timezone

import pytest
from ask_kit import COMPLETE, NOW, ask, issuer, session, step

from trailwarden.ask import Interpretation, summarize_session, summarize_sessions
from trailwarden.model.finding import Coverage, Evidence, Finding, Gap
from trailwarden.model.session import Session

JOHN = step("identity_center_user", "john@company.com")
DEPLOY = step("iam_user", "deploy-bot", account="333333333333", link="claimed", by="session name")
THREE = [
    session(chain=(JOHN,), events=100, errors=3),
    session("ses-0000000000000002", chain=(step("role_session", "Admin/john"), JOHN)),
    session(
        "ses-0000000000000003",
        chain=(DEPLOY,),
        strength="claimed",
        account="222222222222",
        method="cross_account",
        errors=0,
        source_ips=("198.51.100.9", "203.0.113.7"),
        regions=("us-east-1", "eu-central-1"),
    ),
]


def said(
    question: str | Interpretation, sessions: list[Session], *, total: int | None = None, coverage: Coverage = COMPLETE
) -> str:
    asked = ask(question) if isinstance(question, str) else question
    answer = summarize_sessions(
        asked,
        sessions,
        total=len(sessions) if total is None else total,
        coverage=coverage,
        now=NOW,
        zone=UTC,
    )
    return answer.summary


@pytest.mark.parametrize(
    "sentence",
    [
        "3 sessions of role AdminRole made calls between 2026-11-23 00:00 and 2026-11-24 00:00 UTC.",
        (
            "Behind them stand Identity Center user john@company.com (2 sessions, proven), "
            "IAM user deploy-bot of account 333333333333 (1 session, claimed)."
        ),
        "In 2 accounts: 111111111111 (2 sessions), 222222222222 (1).",
        "By method: AssumeRole within the account (2), AssumeRole from another account (1).",
        "For 2 every link is proven, for 1 it rests on a name that the caller chose.",
        "In their whole time they made 120 calls, of which 4 failed.",
        "They were seen from 2026-11-24 03:12:38 UTC to 2026-11-24 03:37:38 UTC.",
    ],
)
def test_the_answer_tells_who_stands_behind_and_how_it_is_known(sentence: str) -> None:
    assert sentence in said("Who was behind role AdminRole yesterday?", THREE)


def test_a_person_of_another_account_is_told_with_it() -> None:
    assert "Identity Center user john@company.com of account 111111111111 (proven)" in said(
        "Who used AdminRole today?", [session(chain=(JOHN,), account="222222222222")]
    )


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("sessions of role AdminRole and from where",
         "From 2 addresses: 203.0.113.7 (3 sessions), 198.51.100.9 (1)."),
        ("sessions of role AdminRole by region", "In 2 Regions: us-east-1 (3 sessions), eu-central-1 (1)."),
        ("sessions of role AdminRole and with which keys", "With 1 access key: ASIAIOSFODNN7EXAMPLE (3 sessions)."),
        ("Which roles did john@company.com use today?",
         "With 1 role: arn:aws:iam::111111111111:role/AdminRole (3 sessions)."),
        ("how many sessions were there today", "3 sessions made calls between"),
        ("Were there any sessions of role AdminRole today?", "Yes: 3 sessions of role AdminRole made calls"),
        ("Which sessions belong to john@company.com?",
         "2 proven to be theirs, 1 only by a name that the caller chose."),
        ("latest session of role AdminRole",
         "The last was seen at 2026-11-24 03:37:38 UTC: ses-0123456789abcdef, role AdminRole, session name jane."),
    ],
)  # fmt: skip
def test_what_was_asked_for_is_told(question: str, sentence: str) -> None:
    assert sentence in said(question, THREE)


def test_sessions_that_nobody_is_known_for_are_counted() -> None:
    answer = said("Who used AdminRole today?", [THREE[0], session("ses-0000000000000004")])

    assert "Behind them stands Identity Center user john@company.com (1 session, proven)." in answer
    assert "Of 1 session the records do not tell who stands behind." in answer


def test_one_session_is_told_in_the_singular() -> None:
    answer = said("Which sessions belong to john@company.com?", [THREE[0]])

    assert "Behind it stands Identity Center user john@company.com (proven)." in answer
    assert "It is proven to be theirs. In its whole time it made 100 calls, of which 3 failed. It was seen" in answer


def test_a_part_of_the_sessions_is_said_to_be_one() -> None:
    answer = said("Who used AdminRole today?", THREE, total=1204)

    assert answer.startswith("1,204 sessions of role AdminRole made calls")
    assert "What follows is told of the 3 sessions seen last." in answer


def test_who_signed_in_without_mfa_is_told_by_what_the_records_tell() -> None:
    sessions = [
        session("ses-0000000000000001", chain=(step("iam_user", "jane"),), method="iam_user_console", mfa=False),
        session("ses-0000000000000002", chain=(step("root", None),), method="root", mfa=True),
        session("ses-0000000000000003", method="root", mfa=None),
    ]

    answer = said("Who signed in without MFA today?", sessions)

    assert "1 session without MFA: IAM user jane (1); 1 with it. Of 1 session the records do not tell." in answer
    assert "Identity Center and SAML ask for MFA outside these records" in answer


def test_no_session_without_mfa_names_nobody() -> None:
    answer = said("Who signed in without MFA today?", [session(method="root", mfa=True)])

    assert "0 sessions without MFA; 1 with it." in answer


def test_nothing_found_and_not_looked_are_different_answers() -> None:
    question = "Who used role AdminRole today?"

    assert said(question, []).startswith("No sessions match: sessions of role AdminRole between 2026-11-24 00:00")
    assert (
        "This looked at accounts 111111111111, 222222222222, 333333333333 in 2 Regions, up to 2026-11-24 03:37:38 UTC."
        in said(question, [])
    )
    assert said(question, [], coverage=Coverage()).startswith("Nothing was looked at, so there is no answer to: ")


def test_what_was_not_looked_at_is_said() -> None:
    gap = Gap(kind="denied", account="222222222222", reason="the trail of 222222222222 is denied")
    coverage = COMPLETE.with_gaps((gap,))

    assert "This is not everything: the trail of 222222222222 is denied." in said("sessions", THREE, coverage=coverage)


def test_findings_and_notices_are_handed_on() -> None:
    finding = Finding(id="root_use", severity="high", title="Root", evidence=(Evidence("e", "f", "v"),))

    answer = summarize_sessions(
        ask("Which sessions belong to jane?"), THREE, total=3, coverage=COMPLETE, now=NOW, zone=UTC,
        findings=(finding,),
    )  # fmt: skip

    assert answer.findings == (finding,)
    assert answer.notices == ("'jane' is read as jane@company.com",)


def one(shown: Session, *, others: int = 0) -> str:
    asked = ask("Whose session is ses-0123456789abcdef?")
    return summarize_session(
        asked, shown, coverage=COMPLETE, now=NOW, zone=timezone(timedelta(hours=1)), others=others
    ).summary


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (session(), "ses-0123456789abcdef is role AdminRole, session name jane in account 111111111111, by method"),
        (session(), "by method AssumeRole within the account."),
        (session(), "Who stands behind it is not recorded: AssumeRole within the account."),
        (session(chain=(JOHN,)), "Behind it stands Identity Center user john@company.com (proven)."),
        (session(chain=(JOHN,)), "This is known by issued access key."),
        (session(chain=(DEPLOY,), strength="claimed"),
         "Behind it stands IAM user deploy-bot of account 333333333333 (claimed)."),
        (session(chain=(step("role_session", "Admin/john"), JOHN)),
         "The chain behind it: role session Admin/john (proven: issued access key), then"),
        (session(issuer=issuer()), "It was issued by AssumeRole of jane from 203.0.113.7 at 2026-11-24 03:42:38 UTC+"),
        (session(chain=(step("root", None),)), "Behind it stands the root user of account 111111111111 (proven)."),
        (session(), "It made 10 calls, of which 1 failed. It came from 203.0.113.7."),
        (session(role_arn=None, session_name=None, user_name="jane", method="iam_user_key"),
         "is user jane in account 111111111111, by method long-lived key of an IAM user."),
        (session(role_arn=None, principal_id=None, account=None), "is an unnamed principal, by method"),
    ],
)  # fmt: skip
def test_whose_a_session_is_is_told(shown: Session, sentence: str) -> None:
    assert sentence in one(shown)


def test_other_sessions_of_the_same_name_are_said() -> None:
    assert "The same name stands for 2 other sessions; this is the one seen last." in one(session(), others=2)
    assert "same name" not in one(session())


def test_text_of_the_records_is_made_safe() -> None:
    hostile = session(
        chain=(step("saml_user", "john\x1b[2J\n"),),
        session_name="a\u202eb",
        source_ips=("\x07", *(f"203.0.113.{n}" for n in range(20))),
        issuer=issuer(name="x\x1b]0;", event_name="Assume\x1bRole"),
        reason="r\x1b",
    )
    for answer in (
        one(hostile),
        said("Who used AdminRole today?", [hostile]),
        said("sessions and from where", [hostile]),
    ):
        assert answer.isprintable()
    assert "and 11 more" in one(hostile)

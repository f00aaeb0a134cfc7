"""Credential groups, what issued them, cross-account copies, and chains up to the person."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from identity_kit import (
    BEHALF,
    DEVELOPMENT,
    PRODUCTION,
    SECURITY,
    SSO_PATH,
    SSO_PROVIDER,
    STORE,
    VENDOR,
    Record,
    across,
    assume,
    at,
    call,
    key,
    made,
    provider,
    role_id,
    role_session,
    saml_user,
    service,
    session_for,
    step_of,
    steps,
    user,
    web_user,
)

from trailwarden.demo.incident import play
from trailwarden.demo.scenario import build_scenario
from trailwarden.errors import SourceError
from trailwarden.model.event import Event
from trailwarden.model.principal import Principal
from trailwarden.model.session import Session
from trailwarden.sessions import (
    Group,
    Issuance,
    group_of,
    issuance_of,
    link_sessions,
    merge,
    needs_source,
    placed,
    session_of,
    use_of,
    with_chain,
)

BOTH = "issued access key, assumedRoleId and creation time"
BY_KEY, BY_TIME = "issued access key", "assumedRoleId and creation time"
RESERVED = "AWSReservedSSO_PowerUser_0123456789abcdef"
OLD = key("old", "AKIA")


def console(seconds: int = 0, **more: Any) -> Record:
    return call(
        user("bob"),
        "ConsoleLogin",
        source="signin",
        seconds=seconds,
        responseElements={"ConsoleLogin": "Success"},
        additionalEventData={"MFAUsed": "Yes"},
        **more,
    )


# --- what is one session ------------------------------------------------------------------------------------------


def test_the_console_takes_a_key_per_request_and_is_one_session() -> None:
    session = session_for(
        [
            call(role_session("Admin", "jane", access_key=key(f"k{n}")), seconds=60 + n, ip=f"192.0.2.{n}")
            for n in range(3)
        ]
    )
    assert session.access_keys == (key("k0"), key("k1"), key("k2"))
    assert session.source_ips == ("192.0.2.0", "192.0.2.1", "192.0.2.2")
    assert session.events == 3
    assert (session.first_seen, session.last_seen) == (
        datetime(2026, 11, 23, 9, 1, tzinfo=UTC),
        datetime(2026, 11, 23, 9, 1, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(role_session("A", "x", created=0), role_session("A", "x", created=1), id="creation time"),
        pytest.param(role_session("A", "x"), role_session("A", "y"), id="session name"),
        pytest.param(role_session("A", "x"), role_session("A", "x", account=SECURITY), id="account"),
        pytest.param(user("bob", OLD), user("bob", key("new", "AKIA")), id="long-lived key"),
        pytest.param(user("bob", key("t"), **made(0)), user("bob", key("t"), **made(5)), id="token"),
        pytest.param(service("ec2"), service("config"), id="service"),
        pytest.param(
            role_session("A", "x", created=None, access_key=key("k")),
            role_session("A", "x", created=None, access_key=key("l")),
            id="key, where no creationDate is recorded",
        ),
    ],
)
def test_different_credentials_are_different_sessions(one: Record, other: Record) -> None:
    assert len({session.session_id for session in link_sessions([call(one), call(other)])}) == 2


@pytest.mark.parametrize(
    ("written", "also"),
    [("2026-11-23T09:00:00Z", "2026-11-23 09:00:00"), ("Nov 23, 2026, 9:00:00 AM", "2026-11-23T09:00:00.500Z")],
)
def test_creation_dates_in_any_format_are_the_same(written: str, also: str) -> None:
    records = [call(role_session("A", "x", context={"attributes": {"creationDate": date}})) for date in (written, also)]
    session = session_for(records)
    assert (session.events, session.created) == (2, datetime(2026, 11, 23, 9, tzinfo=UTC))


def test_a_duplicate_counts_once_and_another_event_of_the_same_id_counts() -> None:
    record = call(user("bob", OLD), event_id="masked")
    session = session_for([record, dict(record), record | {"eventTime": at(99)}])
    assert session.events == 2


def test_records_without_an_id_are_duplicates_only_if_equal() -> None:
    one, two = call(user("bob", OLD), eventID=...), call(user("bob", OLD), seconds=61, eventID=...)
    assert session_for([one, two, one]).events == 2


def test_newest_sessions_come_first() -> None:
    sessions = link_sessions([call(user(name, key(name, "AKIA")), seconds=n) for n, name in enumerate("abc")])
    assert [session.user_name for session in sessions] == ["c", "b", "a"]


def test_errors_count_calls_and_failed_sign_ins() -> None:
    login = console() | {"responseElements": {"ConsoleLogin": "Failure"}}
    denied = call(user("bob", OLD), errorCode="AccessDenied", errorMessage="no")
    assert session_for([login, console(5)]).errors == 1
    assert session_for([denied, call(user("bob", OLD))]).errors == 1


def test_a_person_hired_again_is_two_people() -> None:
    def session(user_id: str, created: int) -> Record:
        behalf = {"onBehalfOf": {"userId": user_id, "identityStoreArn": STORE}}
        return call(role_session(RESERVED, "jane@company.com", path=SSO_PATH, created=created, **behalf))

    found = link_sessions([session("user-1", 0), session("user-2", 10)])
    assert {s.on_behalf_of.user_id for s in found if s.on_behalf_of} == {"user-1", "user-2"}
    assert len({s.chain[0].arn for s in found}) == 2


# --- which record issued it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "created", "by"),
    [
        pytest.param("k", 0, BOTH, id="key and time"),
        pytest.param("k", 31, BY_KEY, id="key alone: an instance's session begins later"),
        pytest.param("other", 0, BY_TIME, id="time alone: the service uses another key"),
        pytest.param("other", 31, None, id="neither"),
    ],
)
def test_key_and_time_join_each_on_its_own(issued: str, created: int, by: str | None) -> None:
    records = [
        assume(service("ec2"), "web", "i-0abc1234def567890", access_key=key(issued), event_id="issue"),
        call(role_session("web", "i-0abc1234def567890", created=created, access_key=key("k"))),
    ]
    session = session_for(records, session_name="i-0abc1234def567890")
    assert (session.issuer.by if session.issuer else None) == by
    assert session_for(records[::-1], session_name="i-0abc1234def567890") == session


def test_an_issuer_that_arrives_late_links_what_was_there() -> None:
    use = call(role_session("Admin", "x", access_key=key("k")))
    issue = assume(user("bob", OLD), "Admin", "x", access_key=key("k"))
    alone, together = session_for([use]), session_for([use, issue], session_name="x")
    assert alone.session_id == together.session_id
    assert (alone.issuer, alone.strength) == (None, "claimed")
    assert together.issuer is not None
    assert (together.issuer.name, together.strength) == ("bob", "proven")
    assert together.issuer.session_id == session_for([issue]).session_id


def test_identity_center_joins_by_time_though_the_key_differs() -> None:
    issue = assume(
        saml_user("jane"), RESERVED, "jane", operation="AssumeRoleWithSAML", access_key=key("a"), seconds=3,
        request={"principalArn": SSO_PROVIDER},
    )  # fmt: skip
    session = session_for(
        [issue, call(role_session(RESERVED, "jane", created=3, path=SSO_PATH, access_key=key("b")))],
        session_name="jane",
    )
    assert session.issuer is not None
    assert session.issuer.by == BY_TIME
    assert session.saml is not None
    assert session.saml.subject == "jane"


def test_masked_keys_join_nothing() -> None:
    masked = "AKIA****************"
    session = session_for(
        [
            assume(user("bob", OLD), "Admin", "x", access_key=masked, seconds=50),
            call(role_session("Admin", "x", access_key=masked)),
        ],
        session_name="x",
    )
    assert session.issuer is None


def test_masked_principals_join_nothing() -> None:
    masked = "AROA****************:x"
    issue = assume(user("bob", OLD), "Admin", "x", access_key=key("a"))
    issue["responseElements"]["assumedRoleUser"]["assumedRoleId"] = masked
    used = role_session("Admin", "x", access_key=key("b")) | {"principalId": masked}
    assert session_for([issue, call(used)], session_name="x").issuer is None


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_the_ends_of_the_calendar_are_no_error(time: str) -> None:
    (session,) = link_sessions([console() | {"eventTime": time}])
    assert session.method == "iam_user_console"


def test_a_key_that_another_principal_was_given_joins_nothing() -> None:
    session = session_for(
        [
            assume(user("bob", OLD), "Other", "x", access_key=key("k")),
            call(role_session("Admin", "x", access_key=key("k"))),
        ],
        role_arn=f"arn:aws:iam::{PRODUCTION}:role/Admin",
    )
    assert session.issuer is None


def test_two_who_issued_the_same_name_in_the_same_second_prove_nothing() -> None:
    session = session_for(
        [
            assume(user("bob", OLD), "Admin", "x", access_key=key("a")),
            assume(user("eve", key("eve", "AKIA")), "Admin", "x", access_key=key("b")),
            call(role_session("Admin", "x", access_key=key("c"))),
        ],
        session_name="x",
    )
    assert session.strength == "claimed"


def test_the_key_decides_between_two_who_issued_the_same_name_in_the_same_second() -> None:
    session = session_for(
        [
            assume(user("eve", key("eve", "AKIA")), "Admin", "x", access_key=key("b")),
            assume(user("bob", OLD), "Admin", "x", access_key=key("a")),
            call(role_session("Admin", "x", access_key=key("a"))),
        ],
        session_name="x",
    )
    assert steps(session) == [("iam_user", "bob", "proven")]


@pytest.mark.parametrize("beside", [-2, -1, 0, 1, 2])
def test_a_console_login_opens_the_session_made_about_then(beside: int) -> None:
    records = [console(beside + 10, event_id="login"), call(user("bob", key("w"), **made(10)), seconds=90)]
    (session,) = (s for s in link_sessions(records) if s.access_keys)
    assert session.method == "iam_user_console"
    assert session.issuer is not None
    assert (session.issuer.event_id, session.issuer.by) == ("login", "principalId and creation time")
    assert session.mfa is True


def test_a_console_login_of_another_time_opens_nothing() -> None:
    records = [console(10), call(user("bob", key("w"), **made(13)), seconds=90)]
    (session,) = (s for s in link_sessions(records) if s.access_keys)
    assert session.method == "session_token"
    assert session.issuer is None


def test_of_two_console_logins_the_nearer_opened_the_session() -> None:
    records = [console(9, event_id="a"), console(10, event_id="b"), call(user("bob", key("w"), **made(10)), seconds=90)]
    (session,) = (s for s in link_sessions(records) if s.access_keys)
    assert session.issuer is not None
    assert session.issuer.event_id == "b"


@pytest.mark.parametrize(
    ("more", "method", "issued_by"),
    [
        pytest.param({}, "session_token", "GetSessionToken", id="the key decides"),
        pytest.param(
            {"sessionCredentialFromConsole": "true"}, "iam_user_console", "ConsoleLogin", id="the flag decides"
        ),
    ],
)
def test_a_token_taken_in_the_second_of_a_login(more: Record, method: str, issued_by: str) -> None:
    token = call(
        user("bob", OLD), "GetSessionToken", source="sts", seconds=10,
        responseElements={"credentials": {"accessKeyId": key("t")}},
    )  # fmt: skip
    records = [console(10), token, call(user("bob", key("t"), **made(10)), seconds=90, **more)]
    (session,) = (s for s in link_sessions(records) if s.access_keys == (key("t"),))
    assert session.method == method
    assert session.issuer is not None
    assert session.issuer.event_name == issued_by


def test_a_session_that_a_service_used_as_well_stays_what_it_is() -> None:
    token = user("bob", key("t"), **made(0))
    session = session_for([call(token), call(token | {"invokedBy": "athena.amazonaws.com"}, seconds=70)])
    assert session.method == "session_token"


def test_get_session_token_is_found_by_principal_and_time() -> None:
    token = call(
        user("bob", OLD), "GetSessionToken", source="sts", seconds=0, responseElements={"credentials": {}}
    )  # fmt: skip
    session = session_for([token, call(user("bob", key("t"), **made(0)))], access_keys=(key("t"),))
    assert session.issuer is not None
    assert session.issuer.by == "principalId and creation time"
    assert session.issuer.access_key == OLD


# --- cross-account ------------------------------------------------------------------------------------------------


def handover(shared: str = "s1", seconds: int = 0) -> tuple[Record, Record]:
    return across(
        user("bob", OLD), "DeployRole", "hotfix", seconds=seconds, access_key=key("d"), account=DEVELOPMENT,
        shared=shared,
    )  # fmt: skip


def test_two_copies_of_one_call_are_one_call_of_the_caller() -> None:
    own, target = handover()
    (bob,) = link_sessions([own, target])
    assert (bob.user_name, bob.events) == ("bob", 1)
    assert bob.recorded_in == (PRODUCTION, DEVELOPMENT)


def test_the_copy_of_the_target_alone_is_a_session_of_somebody_outside() -> None:
    _, target = handover()
    (session,) = link_sessions([target])
    assert (session.method, session.account, session.recorded_in) == ("unknown", PRODUCTION, (DEVELOPMENT,))
    assert steps(session) == [("external_principal", user("bob")["principalId"], "proven")]


def test_what_no_copy_of_the_caller_is_at_hand_for_stays_outside() -> None:
    own, target = handover("s1", 0)
    _, unseen = handover("s2", 40)
    bob, outside = sorted(link_sessions([own, target, unseen]), key=lambda s: s.recorded_in)
    assert (bob.user_name, bob.events, bob.recorded_in) == ("bob", 1, (PRODUCTION, DEVELOPMENT))
    assert (outside.events, outside.first_seen, outside.last_seen) == (
        1,
        datetime(2026, 11, 23, 9, 0, 40, tzinfo=UTC),
        datetime(2026, 11, 23, 9, 0, 40, tzinfo=UTC),
    )


def test_copies_that_both_name_the_caller_are_one_call() -> None:
    caller = role_session("Admin", "x", access_key=key("k"))
    records = [
        call(caller, "Decrypt", source="kms", sharedEventID="kms-1", account=account, errorCode="AccessDenied")
        for account in (PRODUCTION, SECURITY)
    ]
    session = session_for(records)
    assert (session.events, session.errors, session.recorded_in) == (1, 1, (SECURITY, PRODUCTION))


def test_an_issuance_in_both_copies_is_one_with_the_fuller_caller() -> None:
    session = session_for(
        [*handover()[::-1], call(role_session("DeployRole", "hotfix", access_key=key("d"), account=DEVELOPMENT))],
        session_name="hotfix",
    )
    assert session.issuer is not None
    assert (session.issuer.event_id, session.issuer.access_key) == ("s1-own", OLD)
    assert session.method == "cross_account"


def test_a_copy_goes_to_the_caller_whose_credentials_are_known() -> None:
    full, bare = role_session("Admin", "x", access_key=key("k")), role_session("Admin", "x", created=None)
    outside = {"type": "AWSAccount", "principalId": full["principalId"], "accountId": PRODUCTION}
    records = [
        call(identity, "Decrypt", source="kms", sharedEventID="kms-1", account=account)
        for identity, account in ((bare, SECURITY), (full, PRODUCTION), (outside, DEVELOPMENT))
    ]
    assert session_for(records, access_keys=(key("k"),)).recorded_in == (PRODUCTION, DEVELOPMENT)
    assert session_for(records, access_keys=()).recorded_in == (SECURITY,)


def test_a_role_that_enters_the_console_did_not_issue_itself() -> None:
    entered = call(
        role_session("Admin", "x", created=None), "ConsoleLogin", source="signin", seconds=0,
        responseElements={"ConsoleLogin": "Success"}, additionalEventData={"MFAUsed": "No"},
    )  # fmt: skip
    session = session_for([entered, call(role_session("Admin", "x", access_key=key("k")))], access_keys=(key("k"),))
    assert session.issuer is None
    assert session.strength == "claimed"


def test_placing_leaves_groups_that_share_nothing_as_they_are() -> None:
    groups = [group_of(use_of(call(user(name, key(name, "AKIA"))))) for name in ("a", "b")]
    assert placed(groups) == tuple(groups)


def test_only_pieces_of_one_group_merge() -> None:
    one, other = (group_of(use_of(call(user(name, key(name, "AKIA"))))) for name in ("a", "b"))
    with pytest.raises(ValueError, match="one credential group"):
        merge([one, other])
    with pytest.raises(ValueError, match="one credential group"):
        merge([])


# --- chains -------------------------------------------------------------------------------------------------------


def test_four_hops_over_three_accounts() -> None:
    first = role_session("Entry", "one", created=0, access_key=key("a"))
    second = role_session("Bridge", "two", created=10, access_key=key("b"), account=SECURITY)
    third = role_session("DeployRole", "three", created=20, access_key=key("c"), account=DEVELOPMENT)
    fourth = role_session("Execution", "four", created=30, access_key=key("d"), account=DEVELOPMENT)
    records = [
        assume(user("bob", OLD), "Entry", "one", access_key=key("a")),
        *across(first, "Bridge", "two", seconds=10, access_key=key("b"), account=SECURITY, shared="s1"),
        *across(second, "DeployRole", "three", seconds=20, access_key=key("c"), account=DEVELOPMENT, shared="s2"),
        assume(third, "Execution", "four", seconds=30, access_key=key("d"), account=DEVELOPMENT),
        call(fourth, "CreateUser", source="iam", account=DEVELOPMENT, seconds=40),
    ]
    session = session_for(records, session_name="four")
    assert steps(session) == [
        ("role_session", "DeployRole/three", "proven"),
        ("role_session", "Bridge/two", "proven"),
        ("role_session", "Entry/one", "proven"),
        ("iam_user", "bob", "proven"),
    ]
    assert [step.account for step in session.chain] == [DEVELOPMENT, SECURITY, PRODUCTION, PRODUCTION]
    by_id = {one.session_id: one for one in link_sessions(records)}
    assert [by_id[step.session_id or ""].session_name for step in session.chain] == ["three", "two", "one", None]
    assert by_id[session.chain[-1].session_id or ""].access_keys == (OLD,)
    assert session.strength == "proven"
    assert session_for(records[::-1], session_name="four") == session


def test_a_role_assumed_with_a_session_token() -> None:
    token = call(
        user("bob", OLD), "GetSessionToken", source="sts", seconds=0,
        responseElements={"credentials": {"accessKeyId": key("t")}},
    )  # fmt: skip
    inside = user("bob", key("t"), **made(0, "true"))
    records = [
        token,
        assume(inside, "Admin", "admin", seconds=30, access_key=key("r")),
        call(role_session("Admin", "admin", created=30, access_key=key("r"))),
    ]
    session = session_for(records, session_name="admin")
    assert [(step.kind, step.name, step.by) for step in session.chain] == [
        ("iam_user", "bob", BOTH),
        ("iam_user", "bob", "issued access key, principalId and creation time"),
    ]
    ids = [session_for(records, access_keys=(k,)).session_id for k in (key("t"), OLD)]
    assert [step.session_id for step in session.chain] == ids


def test_switching_role_in_the_console() -> None:
    browser = user("bob", key("w"), **made(0, "true"))
    switched = role_session("Admin", "bob", created=100, access_key=key("s"))
    records = [
        console(0),
        assume(browser, "Admin", "bob", seconds=100, access_key=key("backend"), userAgent="AWS Signin, aws-internal/3"),
        call(
            role_session("Admin", "bob", created=None), "SwitchRole", source="signin", seconds=100, event_id="0",
            responseElements={"SwitchRole": "Success"},
            additionalEventData={"SwitchFrom": user("bob")["arn"], "RedirectTo": "https://console.aws.amazon.com"},
        ),
        call(switched, seconds=110, sessionCredentialFromConsole="true"),
    ]  # fmt: skip
    (session,) = (s for s in link_sessions(records) if s.session_name == "bob" and s.access_keys)
    assert session.method == "role_chain"
    assert session.issuer is not None
    assert (session.issuer.event_name, session.issuer.by) == ("AssumeRole", BY_TIME)
    assert steps(session) == [("iam_user", "bob", "proven")]
    (browsing,) = (s for s in link_sessions(records) if s.method == "iam_user_console" and s.access_keys)
    assert session.chain[0].session_id == browsing.session_id


def test_switching_role_told_by_the_sign_in_record_alone() -> None:
    records = [
        call(
            role_session("Admin", "eve", created=None, account=DEVELOPMENT), "SwitchRole", source="signin",
            seconds=101, account=DEVELOPMENT, additionalEventData={"SwitchFrom": user("eve")["arn"]},
        ),
        call(role_session("Admin", "eve", created=100, access_key=key("s"), account=DEVELOPMENT), account=DEVELOPMENT),
    ]  # fmt: skip
    (session,) = (s for s in link_sessions(records) if s.access_keys)
    assert session.method == "cross_account"
    assert [(step.kind, step.arn, step.by) for step in session.chain] == [("iam_user", user("eve")["arn"], BY_TIME)]


def test_from_the_portal_through_a_role_to_another() -> None:
    jane = role_session(RESERVED, "jane@company.com", access_key=key("j"), path=SSO_PATH)
    records = [
        call(jane | BEHALF),
        assume(jane, "Admin", "admin", seconds=30, access_key=key("r")),
        call(role_session("Admin", "admin", created=30, access_key=key("r"))),
    ]
    session = session_for(records, session_name="admin")
    assert steps(session) == [
        ("role_session", f"{RESERVED}/jane@company.com", "proven"),
        ("identity_center_user", "jane@company.com", "proven"),
    ]
    assert step_of(session, "identity_center_user").by == "onBehalfOf"


def test_from_a_pipeline_into_another_account() -> None:
    github = provider("token.actions.githubusercontent.com", SECURITY, "oidc-provider")
    subject = "repo:company/infrastructure:ref:refs/heads/main"
    inside = role_session("Pipeline", "GitHubActions", access_key=key("p"), account=SECURITY)
    records = [
        assume(
            web_user(subject, github), "Pipeline", "GitHubActions", operation="AssumeRoleWithWebIdentity",
            access_key=key("p"), account=SECURITY,
            response={"provider": github, "subjectFromWebIdentityToken": subject},
        ),
        *across(inside, "DeployRole", "deploy", seconds=4, access_key=key("d"), account=DEVELOPMENT, shared="s1"),
        call(role_session("DeployRole", "deploy", created=4, access_key=key("d"), account=DEVELOPMENT)),
    ]  # fmt: skip
    assert steps(session_for(records, session_name="deploy")) == [
        ("role_session", "Pipeline/GitHubActions", "proven"),
        ("web_identity", subject, "proven"),
    ]


def test_a_source_identity_stands_where_the_issuers_own_name_is_only_a_claim() -> None:
    source = {"sourceIdentity": "jane@company.com"}
    middle = role_session("Bridge", "whatever", access_key=key("m"))  # set when the second role was assumed
    records = [
        assume(middle, "Admin", "admin", seconds=30, access_key=key("r"), request=source),
        call(role_session("Admin", "admin", created=30, access_key=key("r"), context=source)),
    ]
    session = session_for(records, session_name="admin")
    assert steps(session) == [
        ("role_session", "Bridge/whatever", "proven"),
        ("unknown", "jane@company.com", "proven"),
    ]
    assert session.chain[1].by == "SourceIdentity"
    assert session.strength == "proven"


def test_a_source_identity_adds_nobody_to_a_chain_that_ends_at_a_person() -> None:
    source = {"sourceIdentity": "jane@company.com"}
    records = [
        assume(user("bob", OLD), "Admin", "admin", access_key=key("r"), request=source),
        call(role_session("Admin", "admin", access_key=key("r"), context=source)),
    ]
    session = session_for(records, session_name="admin")
    assert steps(session) == [("iam_user", "bob", "proven")]
    assert session.source_identity == "jane@company.com"


def test_a_source_identity_known_from_the_request_alone() -> None:
    records = [
        assume(user("bob", OLD), "Admin", "admin", access_key=key("r"), request={"sourceIdentity": "jane"}),
        call(role_session("Admin", "admin", created=None, access_key=key("r"))),
    ]
    session = session_for(records, session_name="admin")
    assert session.source_identity == "jane"
    assert session.role_arn == f"arn:aws:iam::{PRODUCTION}:role/Admin"


def test_a_chain_that_ends_in_a_name_is_a_claim_throughout() -> None:
    middle = role_session("Bridge", "jane@company.com", access_key=key("m"))
    records = [
        assume(middle, "Admin", "admin", seconds=30, access_key=key("r")),
        call(role_session("Admin", "admin", created=30, access_key=key("r"))),
    ]
    session = session_for(records, session_name="admin")
    assert steps(session)[-1] == ("unknown", "jane@company.com", "claimed")
    assert session.chain[-1].by == "session name"
    assert session.strength == "claimed"


def test_a_source_identity_says_who_is_behind_a_vendor_outside() -> None:
    source = {"sourceIdentity": "agent-7"}
    outside = {"type": "AWSAccount", "principalId": "AROAVENDOREXAMPLE:tool", "accountId": VENDOR}
    records = [
        assume(outside, "Audit", "scan", access_key=key("v"), request=source, sharedEventID="s1"),
        call(role_session("Audit", "scan", access_key=key("v"), context=source)),
    ]
    session = session_for(records, session_name="scan")
    assert steps(session) == [
        ("external_principal", "AROAVENDOREXAMPLE:tool", "proven"),
        ("unknown", "agent-7", "proven"),
    ]


@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_forged_records_that_issue_each_other_in_a_circle_end(length: int) -> None:
    sessions = [role_session("Admin", f"n{n}", created=n, access_key=key(f"c{n}")) for n in range(length)]
    records = [
        assume(sessions[n], "Admin", f"n{after}", seconds=after, access_key=key(f"c{after}"))
        for n in range(length)
        for after in [(n + 1) % length]
    ]  # fmt: skip
    for session in link_sessions(records):
        ids = [step.session_id for step in session.chain if step.session_id]
        assert session.session_id not in ids
        assert len(set(ids)) == len(ids) <= 32


def test_a_chain_longer_than_the_bound_stops_there() -> None:
    records = [
        assume(
            role_session("Admin", f"n{n}", created=n, access_key=key(f"c{n}")),
            "Admin",
            f"n{n + 1}",
            seconds=n + 1,
            access_key=key(f"c{n + 1}"),
        )
        for n in range(50)
    ]
    last = call(role_session("Admin", "n50", created=50, access_key=key("c50")))
    assert len(session_for([*records, last], session_name="n50").chain) == 32


def test_the_incident_of_the_demo_leads_back_to_the_stolen_key() -> None:
    scenario = build_scenario(anchor=datetime(2026, 11, 24, 4, 10, tzinfo=UTC), records=1_000)
    story, recorded = play(scenario)
    sessions = link_sessions(record.body for record in recorded)
    (inside,) = (session for session in sessions if session.role_arn == story.chained_role_arn)
    assert steps(inside) == [
        ("role_session", f"DeployRole/{story.deploy_session}", "proven"),
        ("iam_user", story.iam_user, "proven"),
    ]
    assert inside.chain[1].event_id == story.handover[0]
    (stolen,) = (session for session in sessions if session.access_keys == (story.stolen_key,))
    assert stolen.session_id == inside.chain[1].session_id
    assert (stolen.events, stolen.source_ips) == (len(story.key_calls), (story.attacker_ip,))
    assert set(stolen.recorded_in) == {story.account_id, inside.account}
    (backdoor,) = (session for session in sessions if session.access_keys == (story.backdoor_key,))
    assert any(one.value == story.backdoor_key and one.event_id in story.persistence for one in backdoor.evidence)


# --- forms of input, and of storage -------------------------------------------------------------------------------


def test_records_may_be_objects_text_or_bytes() -> None:
    records = list(handover())
    sessions = link_sessions(records)
    assert link_sessions([msgspec.json.encode(record) for record in records]) == sessions
    assert link_sessions([msgspec.json.encode(record).decode() for record in records]) == sessions


@pytest.mark.parametrize("text", ["[]", "1", "{", "", b"\xff"])
def test_what_is_no_record_is_an_error(text: str | bytes) -> None:
    with pytest.raises(SourceError) as error:
        link_sessions([text])
    assert error.value.remedy


def event(**more: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": "e1", "time": datetime(2026, 11, 23, 9, 5, tzinfo=UTC), "account": PRODUCTION,
        "region": "eu-central-1", "source": "s3.amazonaws.com", "name": "ListBuckets", "principal": Principal(),
        "session_name": None, "role_arn": None, "access_key": None, "source_ip": "192.0.2.10", "user_agent": None,
        "outcome": "success", "error_code": None, "error_message": None, "read_only": True, "request": None,
        "response": None, "resources": (), "source_identity": None, "mfa": None, "event_type": None,
        "shared_event_id": None,
    }  # fmt: skip
    return Event(**fields | more)


def test_events_are_linked_by_what_they_have() -> None:
    issue = assume(user("bob", OLD), "Admin", "x", access_key=key("k"))
    who = Principal(
        "AssumedRole", f"arn:aws:sts::{PRODUCTION}:assumed-role/Admin/x", "Admin", PRODUCTION, f"{role_id('Admin')}:x"
    )
    used = event(
        principal=who,
        access_key=key("k"),
        role_arn=f"arn:aws:iam::{PRODUCTION}:role/Admin",
        source_identity="bob",
        outcome="failure",
        error_code="AccessDenied",
    )
    (session,) = (s for s in link_sessions([issue, used]) if s.session_name == "x")
    assert session.issuer is not None
    assert session.issuer.by == BY_KEY
    assert (session.role_arn, session.source_identity, session.errors) == (
        f"arn:aws:iam::{PRODUCTION}:role/Admin",
        "bob",
        1,
    )


@pytest.mark.parametrize("kind", ["AWSService", "IAMUser", "Root"])
def test_events_of_other_principals(kind: str) -> None:
    name = {"AWSService": "config.amazonaws.com", "IAMUser": "bob", "Root": None}[kind]
    (session,) = link_sessions([event(principal=Principal(kind, None, name, PRODUCTION, None), mfa=True)])
    assert session.chain[0].name == (name or "root")
    assert session.mfa is True


def test_groups_and_issuances_survive_storage() -> None:
    records = [*handover(), call(role_session("DeployRole", "hotfix", access_key=key("d"), account=DEVELOPMENT))]
    groups = [group_of(use_of(record)) for record in records]
    issuances = [issued for record in records if (issued := issuance_of(record)) is not None]
    assert len(issuances) == 2
    stored = msgspec.msgpack.encode((groups, issuances))
    assert msgspec.msgpack.decode(stored, type=tuple[list[Group], list[Issuance]]) == (groups, issuances)


def test_a_store_that_does_it_in_steps_gets_the_same() -> None:
    records = [
        *handover(),
        call(role_session("DeployRole", "hotfix", access_key=key("d"), account=DEVELOPMENT)),
    ]
    groups = placed(group_of(use_of(record)) for record in records)
    issuances = [issued for record in records if (issued := issuance_of(record)) is not None]

    def find(session_id: str) -> Session | None:
        group = next((group for group in groups if group.session_id == session_id), None)
        if group is None:
            return None
        return session_of(group, [one for one in issuances if set(one.tokens) & set(group.tokens)])

    sessions = {
        with_chain(session, find) for group in groups if (session := find(group.session_id)) is not None
    }  # fmt: skip
    assert sessions == set(link_sessions(records))


@pytest.mark.parametrize(
    ("identity", "needed"),
    [
        pytest.param({}, True, id="none"),
        pytest.param(user("bob"), True, id="user without a key"),
        pytest.param(user("bob", OLD), False, id="key"),
        pytest.param(role_session("A", "x"), False, id="creationDate"),
    ],
)
def test_the_source_matters_where_the_credentials_are_not_named(identity: Record, needed: bool) -> None:
    assert needs_source(identity) is needed
    assert (use_of(call(identity)).event_source is not None) is needed


def test_sign_ins_are_told_from_other_bare_records_of_a_user() -> None:
    sessions = link_sessions([console(), call(user("bob"))])
    assert {session.method for session in sessions} == {"iam_user_console", "unknown"}

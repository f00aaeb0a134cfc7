"""Evidence and hunts over a lake: john's stolen key stands out, everyday work does not."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from detect_records import (
    ATTACKER,
    BOB,
    DEPLOY,
    DEPLOY_KEY,
    INSTANCE,
    JOHN,
    JOHNS_KEY,
    NOW,
    OFFICE,
    PROD,
    everyday,
    instance,
    theft,
)
from rich.console import Console

from trailwarden.app import App
from trailwarden.errors import TrailwardenError, UsageError
from trailwarden.faces import views_hunt  # noqa: F401 - it registers its show
from trailwarden.faces.output import View
from trailwarden.faces.render import show
from trailwarden.lake.ingest import land
from trailwarden.lake.query import records
from trailwarden.model.proposal import Target, TargetKind
from trailwarden.model.time import Window
from trailwarden.tools import _evidence
from trailwarden.tools._evidence import Evidenced, evidence_for

WEEK = Window(NOW - timedelta(days=2), NOW)
USER_SIGNS = {
    "origin-listed",
    "origin-first-address",
    "cloudtrail-stop-attempted",
    "conduct-reconnaissance",
    "conduct-denied-burst",
    "iam-create-access-key",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("home")
    (home / "lists").mkdir()
    (home / "lists" / "tor-exits.txt").write_text(f"# of today\n{ATTACKER}\nnot a network\n")
    with App.open(home, clock=lambda: NOW) as opened:
        land(opened.lake, [*everyday(), *theft(), *instance()], source="files", location="here", now=NOW)
        yield opened


def target(kind: TargetKind, name: str, arn: str | None = None, identifier: str | None = None) -> Target:
    return Target(kind=kind, id=identifier or name, account=PROD, name=name, arn=arn)


def evidence(app: App, of: Target, window: Window = WEEK) -> Evidenced:
    return evidence_for(app, of, window, live="never")


def ids(found: Evidenced) -> set[str]:
    return {sign.id for sign in found.signs}


TARGETS: dict[str, tuple[Target, set[str]]] = {
    # The session that the key issued deleted the trail: that is the user's doing too.
    "user": (target("iam_user", "john", JOHN, "AIDAJOHNEXAMPLE"), {*USER_SIGNS, "cloudtrail-stopped"}),
    "key": (target("access_key", JOHNS_KEY, JOHN), {*USER_SIGNS, "cloudtrail-stopped"}),
    "role": (target("iam_role", "Deploy", DEPLOY), {"origin-listed", "cloudtrail-stopped"}),
    "instance": (target("ec2_instance", INSTANCE), {"origin-listed", "conduct-instance-credentials"}),
    "address": (target("ip_address", ATTACKER), {*USER_SIGNS, "cloudtrail-stopped", "conduct-instance-credentials"}),
}


@pytest.mark.parametrize(("of", "expected"), TARGETS.values(), ids=TARGETS)
def test_signs_of_a_target_and_their_records(app: App, of: Target, expected: set[str]) -> None:
    found = evidence(app, of)
    assert expected <= ids(found)
    assert found.evidence
    for each in found.evidence:
        (kept,) = records(app.lake, each.event_id)
        assert each.field.rsplit(".", 1)[-1] in str(kept)
    assert {part.rule for part in found.confidence.parts} == ids(found)
    assert all(part.evidence for part in found.confidence.parts)


def test_a_stolen_key_is_high_and_everyday_work_is_nothing(app: App) -> None:
    stolen = evidence(app, TARGETS["key"][0])
    assert stolen.confidence.label == "high"
    assert stolen.confidence.score >= 0.9
    quiet = evidence(app, target("iam_user", "bob", BOB))
    week_before = Window(NOW - timedelta(days=9), NOW - timedelta(days=2))
    assert (quiet.confidence.label, quiet.signs) == ("none", ())
    assert evidence(app, target("iam_user", "john", JOHN), week_before).confidence.score == 0


def test_the_office_itself_shows_nothing(app: App) -> None:
    found = evidence(app, target("ip_address", OFFICE), Window(NOW - timedelta(days=4), NOW))
    assert (found.confidence.score, found.signs) == (0, ())
    assert found.calls > 0


NOTES: dict[str, tuple[Target, Window, str]] = {
    "bad-line": (TARGETS["user"][0], WEEK, "list tor-exits: not a network"),
    "database": (TARGETS["user"][0], WEEK, "offline database of 20"),
    "administrators": (TARGETS["user"][0], WEEK, "who is an administrator is not known"),
    "short-history": (TARGETS["role"][0], WEEK, "not enough history: 0 days"),
    "no-calls": (target("iam_user", "nobody", f"arn:aws:iam::{PROD}:user/nobody"), WEEK, "no calls in that time"),
    "group": (target("iam_group", "admins"), WEEK, "a group makes no calls"),
    "first-days": (TARGETS["user"][0], Window(NOW - timedelta(days=20), NOW), "not enough history: 2 days"),
}


@pytest.mark.parametrize(("of", "window", "said"), NOTES.values(), ids=NOTES)
def test_what_was_not_judged_is_said(app: App, of: Target, window: Window, said: str) -> None:
    assert any(said in note for note in evidence(app, of, window).notes)


def test_what_was_cut_is_a_gap_and_changes_are_still_seen(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evidence, "CALLS", 3)
    found = evidence(app, TARGETS["user"][0])
    assert any("calls were looked at one by one" in gap.reason for gap in found.coverage.gaps)
    assert {"cloudtrail-stop-attempted", "iam-create-access-key"} <= ids(found)


def test_a_long_history_is_counted_and_not_read(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evidence(app, TARGETS["key"][0])
    monkeypatch.setattr(_evidence, "SAMPLE", 10)
    assert evidence(app, TARGETS["key"][0]).signs == whole.signs


def test_too_many_addresses_before_are_said(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evidence, "SAMPLE", 10)
    monkeypatch.setattr(_evidence, "_ADDRESSES", 1)
    found = evidence(app, TARGETS["key"][0])
    assert "origin-first-address" not in ids(found)
    assert any("so many addresses before" in note for note in found.notes)


def test_a_hunt_finds_john_among_all(app: App) -> None:
    found = app.hunt(window=WEEK, live="never")
    assert {JOHN, f"arn:aws:sts::{PROD}:assumed-role/Deploy/work"} <= {each.who for each in found.subjects}
    assert found.subjects[0].who == JOHN
    assert BOB not in {each.who for each in found.subjects}
    assert found.principals > len(found.subjects)
    assert [each.score for each in found.subjects] == sorted((each.score for each in found.subjects), reverse=True)


def test_a_hunt_within_its_limit_compares_the_most_suspicious(app: App) -> None:
    found = app.hunt(window=WEEK, limit=1, live="never")
    john, others = found.subjects
    assert john.who == JOHN
    assert "origin-first-address" in {sign.id for sign in john.signs}
    assert others.who == "others"
    assert any("more principals were not compared" in note for note in others.notes)


BY: dict[str, tuple[dict[str, str], str]] = {
    "person": ({"person": JOHN}, "cloudtrail-stopped"),
    "key": ({"access_key": JOHNS_KEY}, "origin-first-address"),
    "session": ({"session": f"arn:aws:sts::{PROD}:assumed-role/Deploy/work"}, "origin-first-address"),
    "temporary-key": ({"access_key": DEPLOY_KEY}, "cloudtrail-stopped"),
    "role": ({"role": "Deploy"}, "cloudtrail-stopped"),
    "instance": ({"instance": INSTANCE}, "conduct-instance-credentials"),
    "ip": ({"ip": "192.0.2.0/24"}, "origin-listed"),
}


@pytest.mark.parametrize(("by", "sign"), BY.values(), ids=BY)
def test_a_hunt_for_one_subject(app: App, by: dict[str, str], sign: str) -> None:
    found = app.hunt(**by, live="never")
    assert [sign in {each.id for each in subject.signs} for subject in found.subjects] == [True]


def test_a_session_is_judged_by_the_history_of_who_is_behind_it(app: App) -> None:
    (subject,) = app.hunt(access_key=DEPLOY_KEY, live="never").subjects
    (first,) = [sign for sign in subject.signs if sign.id == "origin-first-address"]
    assert "john" in subject.who
    assert ATTACKER in first.reason


def test_one_subject_at_a_time(app: App) -> None:
    with pytest.raises(UsageError, match=r"person and ip exclude each other"):
        app.hunt(person="john", ip=ATTACKER)


def test_an_unknown_session_is_said(app: App) -> None:
    with pytest.raises(TrailwardenError, match="no session of 'ASIA0000UNKNOWN00000'"):
        app.hunt(access_key="ASIA0000UNKNOWN00000", live="never")


def test_a_terminal_shows_subject_confidence_reason_and_records(app: App) -> None:
    found = app.hunt(person=JOHN, window=WEEK, live="never")
    screen = Console(record=True, width=200, file=StringIO())
    screen.print(show(found, View(now=NOW)))
    text = screen.export_text()
    (subject,) = found.subjects
    assert all(each in text for each in (subject.who, subject.text, ATTACKER, subject.signs[0].evidence[0].event_id))


def test_lists_are_read_from_the_home(app: App, tmp_path: Path) -> None:
    lists, notes = _evidence.address_lists(app)
    assert [(each.name, each.size) for each in lists] == [("tor-exits", 1)]
    assert notes == ("list tor-exits: not a network, and left out: line 3: 'not a network'",)
    with App.open(tmp_path / "empty", clock=lambda: NOW) as other:
        assert _evidence.address_lists(other) == ((), ())

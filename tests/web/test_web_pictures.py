"""The pictures of sessions: timelines, the ways a person comes in, the ways into an organisation."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.authreport import MethodUse
from trailwarden.authreport.values import MfaShare
from trailwarden.faces.web.pages.sessions import calls_of, person_of
from trailwarden.faces.web.pictures import (
    METHOD_NAMES,
    MOST_NODES,
    NAME_WORDS,
    entrances,
    role_name,
    timeline,
    ways,
)
from trailwarden.identity import Identity, Person
from trailwarden.model.session import AUTH_METHODS, ChainStep, Identifier, IdentifierKind, Session
from trailwarden.model.time import Window
from trailwarden.tools.identity import PersonSession

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
USER = "arn:aws:iam::111111111111:user/john"
ADMIN = "arn:aws:iam::222222222222:role/Admin"
SPANS = st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 5_000), st.sampled_from("12")), min_size=1)


def session(number: int, begins: int, lasts: int, account: str | None = "1" * 12, **given: Any) -> PersonSession:
    values = {
        "session_id": f"ses-{number:016x}", "account": account, "method": "iam_user_key", "reason": "AKIA",
        "principal_id": None, "principal_arn": None, "role_arn": None, "session_name": None, "user_name": None,
        "access_keys": (), "created": None, "issuer": None, "chain": (), "strength": "proven",
        "first_seen": START + begins * MINUTE, "last_seen": START + (begins + lasts) * MINUTE, "regions": (),
        "source_ips": (), "user_agents": (), "recorded_in": (), "events": 1, "errors": 0, "source_identity": None,
        "on_behalf_of": None, "web_identity": None, "saml": None, "mfa": None, "identifiers": (), "evidence": (),
        "identity": None, "by": "", "note": "", "did": (),
    }  # fmt: skip
    return PersonSession(**(values | given))


def sessions(spans: Sequence[tuple[int, int, str]]) -> list[PersonSession]:
    return [session(n, begins, lasts, account * 12) for n, (begins, lasts, account) in enumerate(spans)]


def test_every_method_and_kind_of_name_has_its_words() -> None:
    assert set(METHOD_NAMES) == set(AUTH_METHODS)
    assert set(NAME_WORDS) == set(IdentifierKind.__args__)  # type: ignore[attr-defined]


@given(SPANS)
def test_no_bar_covers_another_and_none_is_lost(spans: list[tuple[int, int, str]]) -> None:
    given = sessions(spans)
    picture = timeline(given, None, UTC)
    assert picture is not None
    bars = [bar for lane in picture.lanes for bar in lane.bars]
    assert Counter(bar.session.session_id for bar in bars) == Counter(each.session_id for each in given)
    for lane in picture.lanes:
        assert {bar.session.account for bar in lane.bars} == {lane.account}
        for row in range(lane.rows):
            places = sorted((bar.x, bar.x + bar.width) for bar in lane.bars if bar.row == row)
            assert places
            assert all(end < begin for (_, end), (begin, _) in pairwise(places))
    assert all(bar.x >= -0.001 and bar.x + bar.width <= 100.002 for bar in bars)


@given(SPANS, st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"]))
def test_the_axis_has_few_marks_in_order(spans: list[tuple[int, int, str]], zone: str) -> None:
    picture = timeline(sessions(spans), None, ZoneInfo(zone))
    assert picture is not None
    places = [tick.x for tick in picture.ticks]
    assert places == sorted(set(places))
    assert len(places) <= 8
    assert all(0 <= place <= 100 for place in places)


def test_marks_of_days_are_midnights_over_a_change_of_the_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")  # 2026-10-25 has 25 hours there
    begins = datetime(2026, 10, 24, 0, 0, tzinfo=berlin).astimezone(UTC)
    lasts = timedelta(days=4)
    one = session(1, int((begins - START) / MINUTE), int(lasts / MINUTE))
    picture = timeline([one], None, berlin)
    assert picture is not None
    instants = [picture.start + tick.x / 100 * (picture.end - picture.start) for tick in picture.ticks]
    assert [f"{each.astimezone(berlin) + MINUTE:%d %b %H:%M}"[:9] for each in instants] == [
        f"{day} Oct 00" for day in (24, 25, 26, 27, 28)
    ]
    assert [tick.words for tick in picture.ticks] == ["24 Oct", "25 Oct", "26 Oct", "27 Oct", "28 Oct"]


def test_a_window_cuts_the_timeline_off() -> None:
    window = Window(START + timedelta(days=10), START + timedelta(days=11))
    picture = timeline([session(1, 0, 30 * 24 * 60)], window, UTC)
    assert picture is not None
    assert (picture.end - picture.start) < timedelta(days=1, hours=1)
    bar = picture.lanes[0].bars[0]
    assert (bar.x, bar.width) == (0, 100)


def test_there_is_no_timeline_of_nothing() -> None:
    assert timeline([], None, UTC) is None


def step(kind: str, name: str, arn: str | None = None, account: str | None = None) -> ChainStep:
    return ChainStep(kind=kind, name=name, arn=arn, account=account, link="proven", by="issued access key")  # type: ignore[arg-type]


JOHN = Person(
    asked="john@company.com",
    label="john@company.com",
    identities=(Identity(id=USER, kind="iam_user", label="john", account="1" * 12),),
)


def test_the_ways_lead_from_the_person_over_users_to_roles() -> None:
    chain = (
        step("role_session", "Deploy/x", "arn:aws:sts::222222222222:assumed-role/Deploy/x", "2" * 12),
        step("iam_user", "john", USER, "1" * 12),
    )
    own = session(1, 0, 1, identity=USER)
    far = session(2, 0, 1, "2" * 12, identity=USER, role_arn=ADMIN, chain=chain, strength="claimed")
    found = ways(JOHN, [own, far], {"2" * 12: "production"})
    edges = {(edge["source"], edge["target"]): (edge["label"], edge["kind"]) for edge in found.edges}
    deploy = "role:arn:aws:iam::222222222222:role/Deploy"
    assert edges == {
        ("person", f"user:{USER}"): ("2 sessions", "dashed"),
        (f"user:{USER}", deploy): ("1 session", "dashed"),
        (deploy, f"role:{ADMIN}"): ("1 session", "dashed"),
    }
    labels = {node["id"]: (node["label"], node["place"], node["href"]) for node in found.nodes}
    assert labels[f"role:{ADMIN}"] == ("Admin", "production", ADMIN)
    assert labels[f"user:{USER}"] == ("john", "IAM user of 111111111111", "")


def test_a_user_without_sessions_stands_in_the_graph_too() -> None:
    found = ways(JOHN, [], {})
    assert [(edge["target"], edge["label"]) for edge in found.edges] == [(f"user:{USER}", "0 sessions")]


@given(st.integers(0, 120))
def test_the_graph_stays_small_and_says_what_it_leaves_out(roles: int) -> None:
    given = [session(n, 0, 1, identity=USER, role_arn=f"{ADMIN}{n}") for n in range(roles)]
    found = ways(JOHN, given, {})
    ids = {node["id"] for node in found.nodes}
    assert len(ids) <= MOST_NODES + 1
    assert len(ids) + found.left_out == roles + 2
    assert all({edge["source"], edge["target"]} <= ids for edge in found.edges)


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (ADMIN, "Admin"),
        (
            "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Power_User_0123456789abcdef",
            "permission set Power_User",
        ),
        ("AWSReservedSSO_", "AWSReservedSSO_"),
    ],
)
def test_roles_have_their_names(arn: str, name: str) -> None:
    assert role_name(arn) == name


def use(method: str, *, people: int = 0, workloads: int = 0, accounts: tuple[str, ...] = ("1" * 12,)) -> MethodUse:
    return MethodUse(
        method=method, people=people, people_sample=(), workloads=workloads, workloads_sample=(),  # type: ignore[arg-type]
        unattributed=0 if people or workloads else 1, sessions=3, events=5, errors=0, accounts=accounts, regions=(),
        providers=(), first_seen=START, last_seen=START, mfa=MfaShare(known=0, with_mfa=0), examples=(),
    )  # fmt: skip


@given(
    st.lists(st.sampled_from(AUTH_METHODS), min_size=1, unique=True),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=18, max_size=18),
    st.integers(1, 6),
)
def test_every_method_and_account_has_its_place(
    methods: list[str], counts: list[tuple[int, int]], accounts: int
) -> None:
    places = tuple(str(number) * 12 for number in range(accounts))
    uses = [
        use(method, people=p, workloads=w, accounts=places) for method, (p, w) in zip(methods, counts, strict=False)
    ]
    picture = entrances(uses, {})
    assert sorted(spot.href for spot in picture.middle) == sorted(methods)
    assert {spot.href for spot in picture.right} == set(places)
    for column in (picture.left, picture.middle):
        ys = sorted(spot.y for spot in column)
        assert all(low + 40 <= high + 0.001 for low, high in pairwise(ys))
    assert sum(strand.side == "right" for strand in picture.strands) == len(methods) * accounts
    kinds = Counter(strand.kind for strand in picture.strands if strand.side == "left")
    assert kinds["people"] == sum(each.people > 0 for each in uses)
    assert kinds["workloads"] == sum(each.workloads > 0 for each in uses)


KEY = "AKIAIOSFODNN7EXAMPLE"
ROOM = [("from", "2026-11-01T00:00:00Z"), ("to", "2026-11-01T00:01:01Z")]
NAMED = Identifier("session_name", "john", "claimed", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"access_keys": (KEY,), "principal_arn": USER}, ([("access_key", KEY), *ROOM], True)),
        ({"access_keys": tuple(map(str, range(30))), "principal_arn": USER}, ([("arn", USER), *ROOM], False)),
        (
            {"identifiers": (NAMED,), "recorded_in": ("1" * 12,)},
            ([("user", "john"), ("account", "1" * 12), *ROOM], False),
        ),
        ({}, ([], False)),
    ],
    ids=["key", "many-keys", "name", "nothing"],
)
def test_a_session_s_calls_are_searched_by_what_names_it_best(
    given: dict[str, Any], expected: tuple[list[tuple[str, str]], bool]
) -> None:
    assert calls_of(session(1, 0, 1, **given)) == expected


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ({"session_name": "john"}, "john"),
        ({}, "not known"),
        ({"chain": (step("root", ""),)}, "the root user"),
        (
            {"chain": (ChainStep(kind="identity_center_user", name=None, arn="arn:aws:identitystore:::user/9-1",
                                 account=None, link="proven", by="onBehalfOf"),)},
            "9-1",
        ),
    ],
    ids=["session-name", "nothing", "root", "user-id"],
)  # fmt: skip
def test_who_stands_behind_a_session(given: dict[str, Any], who: str) -> None:
    found: Session = session(1, 0, 1, **given)
    assert person_of(found) == who

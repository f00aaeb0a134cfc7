"""What goes on in the simulated organisation: everyday activity, and the incident in it, as a stream of records.

The stream is planned window by window (a person's working day, a few hours of a program), so that memory is
bounded by about a day of activity whatever the number of records. Each actor's share of the records follows
from its weight and its windows; a window's sign-ins and role sessions count as part of that share.
"""

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from .actions import Action
from .decoys import TRAVEL_IP, working_instant
from .incident import play
from .issuance import Timed
from .people import IamUser, Person
from .profiles import profile
from .programs import workload_session
from .records import Caller, Recorded, Single, Writer, instant, session_key, single
from .scenario import Scenario
from .sessions import (
    command_line_login,
    console_login,
    iam_user_session,
    identity_center_session,
    saml_session,
    sign_in,
)
from .workloads import Workload

_HOUR = 3600
_DAY = 86_400
#: How many hours of windows are planned together.
_BATCH = 2 * _HOUR
#: Of how many records one is delivered late, and by how much at most.
_LATE, _LATE_BY = 0.002, 4 * _HOUR
_SHARES = {"people": 0.47, "users": 0.06, "workloads": 0.47}
_READ_ONLY_SETS = frozenset({"ReadOnly", "SecurityAudit", "Billing"})

#: One planned record: when, by whom, and the call (or the record written out).
_Planned = tuple[int, Caller | None, Action | Single]
_Plan = Callable[[int, int, int, Random], list[_Planned]]


class _Actor(NamedTuple):
    """One source of records. A window is only used for at least ``least`` records, so small shares add up first."""

    name: str
    weight: float
    least: int
    windows: list[tuple[int, int]]
    plan: _Plan


class _Window(NamedTuple):
    start: int
    end: int
    records: int
    actor: _Actor


def generate(scenario: Scenario) -> Iterator[bytes]:
    """Every record of the scenario, as CloudTrail's JSON, in the order of delivery: by time, but for the few late ones.

    The same scenario gives the same bytes, always. Memory is bounded by about a day of records.
    """
    for recorded in stream(scenario):
        yield recorded.body


def stream(scenario: Scenario) -> Iterator[Recorded]:
    """As ``generate``, with the time, account and Region of each record beside it."""
    random = Random(f"delivery {scenario.seed} {scenario.anchor.isoformat()} {scenario.records}")
    late: list[tuple[int, int, Recorded]] = []
    end = int(scenario.anchor.timestamp())
    merged = heapq.merge(_everyday(scenario), play(scenario).records, key=itemgetter(0))
    for number, recorded in enumerate(merged):
        while late and late[0][0] <= recorded.seconds:
            yield heapq.heappop(late)[2]
        due = recorded.seconds + 1200 + int(random.random() * _LATE_BY)
        if random.random() < _LATE and due < end:
            heapq.heappush(late, (due, number, recorded))
        else:
            yield recorded
    while late:
        yield heapq.heappop(late)[2]


def _everyday(scenario: Scenario) -> Iterator[Recorded]:
    writer = Writer(scenario, f"everyday {scenario.records}")
    first, end = int(scenario.start.timestamp()), int(scenario.anchor.timestamp())
    pending: list[_Planned] = []
    for batch, windows in groupby(_windows(scenario), key=lambda window: window.start // _BATCH):
        pending.sort(key=itemgetter(0))
        ready = 0
        for ready, (seconds, caller, what) in enumerate(pending):  # noqa: B007 - its last value is used
            if seconds >= batch * _BATCH:
                break
            yield _written(writer, seconds, caller, what)
        else:
            ready = len(pending)
        del pending[:ready]
        for window in windows:
            random = Random(f"{scenario.seed} {window.actor.name} {window.start}")
            planned = window.actor.plan(window.start, window.end, window.records, random)
            pending += [item for item in planned if first <= item[0] < end]
    pending.sort(key=itemgetter(0))
    for seconds, caller, what in pending:
        yield _written(writer, seconds, caller, what)


def _written(writer: Writer, seconds: int, caller: Caller | None, what: Action | Single) -> Recorded:
    if caller is None or isinstance(what, Single):
        assert isinstance(what, Single)
        return writer.write_single(seconds, what)
    return writer.write(seconds, caller, what)


def _windows(scenario: Scenario) -> list[_Window]:
    """Every window that is used, with how many records fall into it, by start."""
    random = Random(f"shares {scenario.seed} {scenario.anchor.isoformat()}")
    used: list[_Window] = []
    for share, actors in _actors(scenario).items():
        total = sum(actor.weight for actor in actors)
        for actor in actors:
            budget = scenario.records * _SHARES[share] * actor.weight / total
            length = sum(end - start for start, end in actor.windows)
            # An offset drawn at random keeps the total right: on average half a window's least is left at the end.
            owed = random.random() * actor.least
            for start, end in actor.windows:
                owed += budget * (end - start) / length
                if owed >= actor.least:
                    used.append(_Window(start, end, int(owed), actor))
                    owed -= int(owed)
    used.sort(key=lambda window: (window.start, window.actor.name))
    return used


def _actors(scenario: Scenario) -> dict[str, list[_Actor]]:
    return {
        "people": [_person(scenario, person) for person in scenario.people],
        "users": [_user(scenario, user) for user in scenario.iam_users],
        "workloads": [
            *(_workload(scenario, workload) for workload in scenario.workloads),
            _root(scenario),
        ],
    }


def _spread(
    caller: Caller, actions: tuple[list[Action], list[int]], random: Random, *, count: int, start: int, end: int
) -> list[_Planned]:
    """So many calls between two instants: half of them in bursts, as people and programs work."""
    length = max(end - start, 1)
    times = [start + int(random.random() * length) for _ in range(count - count // 2)]
    while len(times) < count:
        moment = start + int(random.random() * length)
        for _ in range(min(count - len(times), 2 + int(random.random() * 8))):
            times.append(min(moment, end))
            moment += int(random.random() * 4)
    times.sort()
    chosen = random.choices(actions[0], cum_weights=actions[1], k=count)
    return [(moment, caller, action) for moment, action in zip(times, chosen, strict=True)]


def _singles(records: list[Timed]) -> list[_Planned]:
    return [(seconds, None, record) for seconds, record in records]


def _workdays(scenario: Scenario, person: Person) -> list[tuple[int, int]]:
    """The person's working hours in the recorded period; john is also on call in the last days of it."""
    zone = ZoneInfo(person.place.zone)
    random = Random(f"calendar {scenario.seed} {person.name}")
    first, end = int(scenario.start.timestamp()), int(scenario.anchor.timestamp())
    day = scenario.start.astimezone(zone).date()
    days: list[tuple[int, int]] = []
    while day <= scenario.anchor.astimezone(zone).date():
        shift, off = random.random() * 0.75, random.random() < 0.06
        on_call = person.name == "john" and (scenario.anchor.astimezone(zone).date() - day).days <= 1
        if ((day.weekday() < 5 and not off) or on_call) and not _is_away(scenario, person, day):
            begins = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(hours=person.workday[0] + shift)
            start = max(int(begins.timestamp()), first)
            finish = min(int(begins.timestamp() + person.workday[1] * _HOUR), end)
            if finish - start > _HOUR // 2:
                days.append((start, finish))
        day += timedelta(days=1)
    return days or [(end - _HOUR, end)]


def _is_away(scenario: Scenario, person: Person, day: date) -> bool:
    """Whether the person had left, and not come back yet."""
    ago = (scenario.anchor.date() - day).days
    return person.rehire is not None and person.rehire.back < ago <= person.rehire.left


def _as_of(scenario: Scenario, person: Person, at: int) -> Person:
    """The person at a time: who came back was another user before."""
    rehire = person.rehire
    if rehire is None or at >= (scenario.anchor - timedelta(days=rehire.left)).timestamp():
        return person
    return msgspec.structs.replace(person, user_id=rehire.user_id, home_ip=rehire.home_ip)


def _person(scenario: Scenario, somebody: Person) -> _Actor:
    team = profile("analyst" if somebody.federation == "saml" else somebody.team)
    travels_from = int(scenario.anchor.timestamp()) - 2 * _DAY

    def plan(start: int, end: int, count: int, random: Random) -> list[_Planned]:
        person = _as_of(scenario, somebody, start)
        ip = random.choices((person.home_ip, person.place.office_ip), weights=(55, 45))[0]
        if person.name == "jane" and start >= travels_from:
            ip = TRAVEL_IP
        at = start + int(random.random() * 600)
        if person.federation == "saml":
            role = scenario.role(scenario.production.id, "FederatedAnalyst")
            records, caller = saml_session(person, role, at, random, ip=ip, region=person.place.region)
            rest = max(count - len(records), 1)
            return _singles(records) + _spread(caller, team, random, count=rest, start=at + 3, end=end)
        records = sign_in(scenario, person, at, random, ip=ip, agent=person.browser, mfa=random.random() < 0.15)
        planned = _singles(records)
        sessions = min(1 + count // 80, 3)
        share = (count - len(records)) // sessions
        at += 40
        for number in range(sessions):
            assignment = random.choice(person.assignments)
            role = scenario.role(assignment.account_id, assignment.permission_set)
            region = person.place.region if random.random() < 0.8 else "us-east-1"
            if person.client == "login":
                records, caller = command_line_login(scenario, person, role, at, random, ip=ip, region=region)
            else:
                console = person.client == "console" or random.random() < 0.25
                agent = person.browser if console else person.command_line
                if not console and person.client == "terraform":
                    agent = _TERRAFORM
                records, caller = identity_center_session(
                    scenario, person, role, at, random, ip=ip, agent=agent, console=console, region=region,
                    read_only=assignment.permission_set in _READ_ONLY_SETS,
                )  # fmt: skip
            until = at + (end - at) // (sessions - number)
            planned += _singles(records)
            planned += _spread(caller, team, random, count=max(share - len(records), 1), start=at + 9, end=until)
            at = until
        return planned

    least = 12 if somebody.federation == "saml" else 24
    return _Actor(f"person {somebody.name}", somebody.weight, least, _workdays(scenario, somebody), plan)


_TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.15.0 "
    "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6 md/GOOS#linux md/GOARCH#amd64 m/g"
)


def _user(scenario: Scenario, user: IamUser) -> _Actor:
    actions = profile("keys")
    owner = next((person for person in scenario.people if person.email == user.owner), None)
    agent = owner.browser if owner and user.use == "console" else user.agent

    def plan(start: int, end: int, count: int, random: Random) -> list[_Planned]:
        at = start + int(random.random() * min(1800, (end - start) // 2))
        records, caller = iam_user_session(user, at, random, agent=agent)
        return _singles(records) + _spread(
            caller, actions, random, count=max(count - len(records), 1), start=at + 2, end=end
        )

    windows = _workdays(scenario, owner) if owner else _around_the_clock(scenario, user.name)
    return _Actor(f"user {user.name}", 1.0, 8, windows, plan)


def _around_the_clock(scenario: Scenario, name: str, hours: int = 6) -> list[tuple[int, int]]:
    first, end = int(scenario.start.timestamp()), int(scenario.anchor.timestamp())
    offset = int(Random(f"clock {scenario.seed} {name}").random() * hours * _HOUR)
    starts = [first, *range(first + offset, end, hours * _HOUR)]
    return [(start, min(until, end)) for start, until in zip(starts, [*starts[1:], end], strict=True) if start < until]


def _deployments(scenario: Scenario, name: str) -> list[tuple[int, int]]:
    """Half an hour at a time, a few on every working day."""
    random = Random(f"deployments {scenario.seed} {name}")
    first, end = int(scenario.start.timestamp()), int(scenario.anchor.timestamp())
    windows = []
    for day in range(first // _DAY, end // _DAY + 1):
        for hour in sorted(random.sample(range(7, 18), 3)):
            start = day * _DAY + hour * _HOUR + int(random.random() * 1800)
            working = datetime.fromtimestamp(start, UTC).weekday() < 5
            if working and first <= start and start + 1800 < end:
                windows.append((start, start + 1800))
    return windows


def _workload(scenario: Scenario, workload: Workload) -> _Actor:
    actions = profile(workload.profile)
    deploys = workload.kind in {"github", "chain"}

    def plan(start: int, end: int, count: int, random: Random) -> list[_Planned]:
        at = start + 60 + int(random.random() * min(1200, (end - start) // 2))
        records, caller = workload_session(scenario, workload, at, random)
        rest = max(count - len(records), 1)
        calls = _spread(caller, actions, random, count=rest, start=at + 45, end=max(end, at + 60))
        return _singles(records) + calls

    windows = _deployments(scenario, workload.name) if deploys else _around_the_clock(scenario, workload.name)
    return _Actor(f"workload {workload.name}", workload.weight, 8, windows, plan)


def root_sign_in(scenario: Scenario) -> datetime:
    """When the management account's root user signed in for its monthly check."""
    jane = scenario.person("jane")
    return min(
        moment
        for days in range(9, 13)
        if (moment := working_instant(scenario, jane, scenario.anchor - timedelta(days=days))).weekday() < 5
    )


def _root(scenario: Scenario) -> _Actor:
    """The root user: one monthly check by hand, and one audit of a member's root credentials by AssumeRoot."""
    account, member = scenario.management.id, scenario.production.id
    jane = scenario.person("jane")
    at = int(root_sign_in(scenario).timestamp())

    def plan(_start: int, _end: int, _count: int, random: Random) -> list[_Planned]:
        root = {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}
        login = console_login(root, account, "us-east-1", jane.place.office_ip, jane.browser, mfa="Yes")
        checker = Caller(
            root | {"accessKeyId": session_key(random)},
            arn=root["arn"],
            account_id=account,
            region="us-east-1",
            ip=jane.place.office_ip,
            agent=jane.browser,
            console=True,
        )
        audit = scenario.role(account, "SecurityAudit")
        behalf, caller = identity_center_session(
            scenario, jane, audit, at + 900, random, ip=jane.place.office_ip, agent=jane.command_line, console=False,
            region="us-east-1",
        )  # fmt: skip
        key = session_key(random)
        assume = single(
            identity=caller.identity,
            source="sts",
            name="AssumeRoot",
            account_id=account,
            region="us-east-1",
            ip=jane.place.office_ip,
            agent=jane.command_line,
            request={
                "targetPrincipal": member,
                "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
                "durationSeconds": 900,
            },
            response={"credentials": {"accessKeyId": key, "sessionToken": "IQoJb3JpZ2luX2VjEDEMO"}},
            host="sts.us-east-1.amazonaws.com",
        )
        assumed_root = Caller(
            {
                "type": "Root",
                "principalId": member,
                "arn": f"arn:aws:iam::{member}:root",
                "accountId": member,
                "accessKeyId": key,
                "sessionContext": {
                    "attributes": {"creationDate": instant(at + 960), "mfaAuthenticated": "false"},
                    "assumedRoot": "true",
                },
            },
            arn=f"arn:aws:iam::{member}:root",
            account_id=member,
            region="us-east-1",
            ip=jane.place.office_ip,
            agent=jane.command_line,
        )
        actions = profile("root")
        return [
            *_singles([Timed(at, login)]),
            *_spread(checker, actions, random, count=3, start=at + 20, end=at + 200),
            *_singles([*behalf, Timed(at + 960, assume)]),
            *_spread(caller, actions, random, count=1, start=at + 920, end=at + 940),
            *_spread(assumed_root, actions, random, count=3, start=at + 965, end=at + 1100),
        ]

    return _Actor("root", 0.02, 0, [(at - 60, at + 1200)], plan)

"""Pictures of sessions, laid out: bars on a timeline, the ways a person comes in, the ways into an organisation.

Everything here is a pure function of values; templates and modules only draw. Positions on a timeline are percent of
its width, those of the auth model's picture are units of its view box.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from math import log2
from typing import Any

import msgspec

from ...authreport import MethodUse
from ...identity import Person
from ...model.session import KIND_WORDS, AuthMethod, ChainStep, IdentifierKind, Session
from ...model.time import Window, start_of_day
from ...tools.identity import PersonSession

#: How tables name a method.
METHOD_NAMES: Mapping[AuthMethod, str] = {
    "identity_center": "Identity Center",
    "saml": "SAML",
    "oidc": "OpenID Connect",
    "irsa": "IRSA (Kubernetes)",
    "pod_identity": "EKS Pod Identity",
    "iam_user_console": "IAM user, console",
    "iam_user_key": "IAM user, key",
    "session_token": "GetSessionToken",
    "federation_token": "GetFederationToken",
    "root": "Root user",
    "assumed_root": "AssumeRoot",
    "instance_profile": "EC2 instance profile",
    "lambda": "Lambda function",
    "aws_service": "AWS service",
    "cross_account": "Cross-account role",
    "role_chain": "Role chain",
    "aws_login": "aws login",
    "unknown": "Not known",
}
#: How pages name a kind of name.
NAME_WORDS: Mapping[IdentifierKind, str] = {
    "iam_user_name": "IAM user name",
    "email": "Email",
    "iam_user": "IAM user",
    "identity_center_user": "Identity Center user",
    "saml_subject": "SAML subject",
    "oidc_subject": "OIDC subject",
    "federated_user": "Federated user",
    "source_identity": "SourceIdentity",
    "session_name": "Session name",
    "principal_id": "Principal id",
}
#: A bar is at least so wide, and keeps so far from the next one of its row; percent.
_NARROWEST, _APART = 0.7, 0.25
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *(minutes * _MINUTE for minutes in (1, 5, 15, 30)),
    *(hours * _HOUR for hours in (1, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 30, 91, 182, 365, 1825)),
)
_TICKS = 7
#: Nodes of a graph; a picture of more is not read.
MOST_NODES = 40
_RESERVED = "AWSReservedSSO_"


class Bar(msgspec.Struct, frozen=True):
    """A session on a timeline: the row of its lane, and where it begins and how wide it is, in percent."""

    session: Session
    row: int
    x: float
    width: float


class Lane(msgspec.Struct, frozen=True):
    """The sessions of one account, in ``rows`` rows so that none covers another."""

    account: str | None
    rows: int
    bars: tuple[Bar, ...]


class Tick(msgspec.Struct, frozen=True):
    """A mark of the axis."""

    x: float
    words: str


class Timeline(msgspec.Struct, frozen=True):
    """Sessions across accounts between two instants."""

    start: datetime
    end: datetime
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]


def timeline(sessions: Sequence[Session], window: Window | None, zone: tzinfo) -> Timeline | None:
    """Lanes by account, the busiest first; None without sessions. ``window`` cuts off what lies beyond it."""
    if not sessions:
        return None
    first, last = min(each.first_seen for each in sessions), max(each.last_seen for each in sessions)
    if window is not None:
        first, last = max(first, window.start), min(last, window.end)
    margin = max((last - first) / 50, 5 * _MINUTE)
    start, end = first - margin, last + margin
    by_account: dict[str | None, list[Session]] = {}
    for each in sessions:
        by_account.setdefault(each.account, []).append(each)
    order = sorted(by_account, key=lambda account: (-len(by_account[account]), account or ""))
    lanes = tuple(_lane(account, by_account[account], start, end) for account in order)
    return Timeline(start, end, lanes, _ticks(start, end, zone))


def _lane(account: str | None, sessions: Iterable[Session], start: datetime, end: datetime) -> Lane:
    free: list[float] = []  # where each row has room again
    bars: list[Bar] = []
    for each in sorted(sessions, key=lambda session: (session.first_seen, session.session_id)):
        left = max(0.0, (each.first_seen - start) / (end - start) * 100)
        right = min(100.0, (each.last_seen - start) / (end - start) * 100)
        width = max(right - left, _NARROWEST)
        left = min(left, 100 - width)
        row = next((place for place, until in enumerate(free) if until <= left), len(free))
        if row == len(free):
            free.append(0)
        free[row] = left + width + _APART
        bars.append(Bar(each, row, round(left, 3), round(width, 3)))
    return Lane(account, len(free), tuple(bars))


def _ticks(start: datetime, end: datetime, zone: tzinfo) -> tuple[Tick, ...]:
    step = next((each for each in _STEPS if (end - start) / each <= _TICKS), _STEPS[-1])
    found: list[Tick] = []
    at = start_of_day(start, zone)
    while at <= end:
        if at >= start:
            local = at.astimezone(zone)
            day = step >= _DAY or local.hour == local.minute == 0
            words = f"{local:%d %b}" if day and step < 91 * _DAY else f"{local:%b %Y}" if day else f"{local:%H:%M}"
            found.append(Tick(round((at - start) / (end - start) * 100, 3), words))
        # Days begin at midnight also where one of them has 23 or 25 hours.
        at = at + step if step < _DAY else start_of_day(at + step + 2 * _HOUR, zone)
    return tuple(found)


class Ways(msgspec.Struct, frozen=True):
    """The ways a person comes in, as ``graph.js`` draws them; ``left_out`` nodes did not fit."""

    nodes: tuple[Mapping[str, Any], ...]
    edges: tuple[Mapping[str, Any], ...]
    left_out: int = 0


class _Node(msgspec.Struct, frozen=True):
    id: str
    label: str
    place: str = ""
    href: str = ""


def ways(person: Person, sessions: Sequence[PersonSession], labels: Mapping[str, str]) -> Ways:
    """From the person over their users to the roles that their sessions took, each edge with how many sessions took it.

    An edge is dashed where a session that took it is known by a claimed name only.
    """
    top = _Node("person", person.label)
    nodes: dict[str, _Node] = {top.id: top}
    taken: Counter[str] = Counter()
    edges: Counter[tuple[str, str]] = Counter()
    claimed: set[tuple[str, str]] = set()
    users = {
        each.id: _Node(f"user:{each.id}", _label_of(each.label, each.id), _user_place(each.kind, each.account, labels))
        for each in person.identities
    }
    for session in sessions:
        path = [top, *_path(session, users, labels)]
        for node in path:
            nodes.setdefault(node.id, node)
            taken[node.id] += 1
        for pair in pairwise(path):
            edges[pair[0].id, pair[1].id] += 1
            if session.strength == "claimed":
                claimed.add((pair[0].id, pair[1].id))
    for node in users.values():  # also those without a session
        nodes.setdefault(node.id, node)
        edges.setdefault((top.id, node.id), 0)
    kept = {each for each, _ in sorted(taken.items(), key=lambda item: (-item[1], item[0]))[:MOST_NODES]} | {top.id}
    kept |= {node.id for node in users.values()} if len(kept) + len(users) <= MOST_NODES else set()
    return Ways(
        nodes=tuple(
            {
                "id": each.id, "label": each.label, "place": each.place, "href": each.href,
                "kind": "good" if each is top else "",
            }
            for each in nodes.values()
            if each.id in kept
        ),
        edges=tuple(
            {
                "source": pair[0], "target": pair[1], "label": f"{count:,} session{'s' if count != 1 else ''}",
                "kind": "dashed" if pair in claimed else "",
            }
            for pair, count in edges.items()
            if kept.issuperset(pair)
        ),
        left_out=len(nodes.keys() - kept),
    )  # fmt: skip


def _path(session: PersonSession, users: Mapping[str, _Node], labels: Mapping[str, str]) -> Iterable[_Node]:
    """The nodes that a session came by, without the person."""
    found: list[_Node] = []
    if session.identity is not None and session.identity in users:
        found.append(users[session.identity])
    elif session.root is not None:
        found.append(_step_node(session.root, labels))
    found += [_step_node(step, labels) for step in reversed(session.chain[:-1])]
    role = session.role_arn
    if role:
        account = session.account or ""
        found.append(_Node(f"role:{role}", role_name(role), labels.get(account) or account, role))
    return dict.fromkeys(found)


def _step_node(step: ChainStep, labels: Mapping[str, str]) -> _Node:
    if step.kind == "role_session" and step.arn:
        parts = step.arn.split("/")
        role = f"{step.arn.split(':assumed-role')[0].replace(':sts:', ':iam:')}:role/{parts[1]}"
        where = labels.get(step.account or "") or step.account or ""
        return _Node(f"role:{role}", role_name(parts[1]), where, role)
    name = step.name or step.arn or ""
    return _Node(
        f"{step.kind}:{step.arn or name}", name or KIND_WORDS[step.kind], KIND_WORDS[step.kind] if name else ""
    )


def role_name(role: str) -> str:
    """A role's name; that of a reserved one as its permission set: ``permission set PowerUser``."""
    name = role.rsplit("/", 1)[-1]
    if name.startswith(_RESERVED) and name.count("_") >= 2:
        return f"permission set {name.removeprefix(_RESERVED).rpartition('_')[0]}"
    return name


def _user_place(kind: IdentifierKind, account: str | None, labels: Mapping[str, str]) -> str:
    of = f" of {labels.get(account) or account}" if account and kind == "iam_user" else ""
    return f"{NAME_WORDS[kind]}{of}"


def _label_of(label: str, identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1] if identifier.startswith("arn:") else label


class Spot(msgspec.Struct, frozen=True):
    """A box of the auth model's picture: its middle, its words, and the address that it leads to. ``kind`` is people,
    workloads, unattributed, method or account."""

    kind: str
    y: float
    words: str
    detail: str = ""
    href: str = ""


class Strand(msgspec.Struct, frozen=True):
    """A line between two columns; ``side`` is left or right, ``width`` grows with the logarithm of the sessions."""

    side: str
    kind: str
    start: float
    end: float
    width: float


class Entrances(msgspec.Struct, frozen=True):
    """Who comes in (left), by which method (middle), into which account (right)."""

    height: float
    left: tuple[Spot, ...]
    middle: tuple[Spot, ...]
    right: tuple[Spot, ...]
    strands: tuple[Strand, ...]


_ROW, _TOP = 40.0, 28.0


def entrances(methods: Sequence[MethodUse], labels: Mapping[str, str]) -> Entrances:
    """The methods that were seen, most sessions first within people's and workloads'."""
    order = sorted(methods, key=lambda each: (_side(each), -each.sessions, each.method))
    height = _TOP + _ROW * max(len(order), 1)
    at = {each.method: _TOP + _ROW * (place + 0.5) for place, each in enumerate(order)}
    accounts = sorted({account for each in order for account in each.accounts})
    where = {each: _TOP + (height - _TOP) * (place + 0.5) / len(accounts) for place, each in enumerate(accounts)}
    who: dict[str, list[MethodUse]] = {}
    strands: list[Strand] = []
    for each in order:
        for kind, count in (
            ("people", each.people),
            ("workloads", each.workloads),
            ("unattributed", each.unattributed),
        ):
            if count:
                who.setdefault(kind, []).append(each)
    beside = {kind: sum(at[each.method] for each in uses) / len(uses) for kind, uses in who.items()}
    apart = _spread(beside, height)
    for kind, uses in who.items():
        strands += [Strand("left", kind, apart[kind], at[each.method], _width(each.sessions)) for each in uses]
    for each in order:
        kind = "people" if each.people else "workloads" if each.workloads else "unattributed"
        strands += [
            Strand("right", kind, at[each.method], where[account], _width(each.sessions)) for account in each.accounts
        ]
    words = {"people": "People", "workloads": "Workloads", "unattributed": "Not known"}
    return Entrances(
        height=height,
        left=tuple(Spot(kind, apart[kind], words[kind]) for kind in words if kind in apart),
        middle=tuple(
            Spot("method", at[each.method], METHOD_NAMES[each.method], _counted(each), each.method) for each in order
        ),
        right=tuple(Spot("account", where[each], labels.get(each) or each, each, each) for each in accounts),
        strands=tuple(strands),
    )


def _side(use: MethodUse) -> int:
    return 0 if use.people else 1 if use.workloads else 2


def _counted(use: MethodUse) -> str:
    counts = ((use.people, "person", "people"), (use.workloads, "workload", "workloads"))
    said = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count]
    return ", ".join([*said, f"{use.sessions:,} session{'s' if use.sessions != 1 else ''}"])


def _width(sessions: int) -> float:
    return round(1.5 + log2(sessions + 1) * 0.8, 2)


def _spread(wanted: Mapping[str, float], height: float) -> dict[str, float]:
    """Places near those that are wanted, a row apart at least, all within the picture."""
    placed: dict[str, float] = {}
    last = _TOP - _ROW / 2
    for kind, y in sorted(wanted.items(), key=lambda item: item[1]):
        last = placed[kind] = max(y, last + _ROW)
    over = max(0.0, last + _ROW / 2 - height)
    return {kind: y - over for kind, y in placed.items()}

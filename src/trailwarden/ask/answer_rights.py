"""Answers about what roles and users may do, in words: every sentence comes from the analysis of IAM."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from ..model.finding import Coverage
from ..model.iam_report import IamFinding, PrincipalReport, Recommendation, TrustLine
from .answer import Answer
from .command import any_of, shorten
from .interpret import Interpretation

_SHOWN = 5
_MANY = 10
#: The findings that say that a principal is not used.
UNUSED = "iam-unused-principal"
_ANSWERS = {"yes": "can", "part": "can in part", "conditional": "can if conditions hold", "no": "cannot"}


class LevelOfAccess(Protocol):
    """Actions of one access level, as an analysis counts them."""

    @property
    def level(self) -> str:
        """``List``, ``Read``, ``Write`` …"""

    @property
    def count(self) -> int:
        """How many of them are granted."""


class ServiceAccess(Protocol):
    """What is left of a principal's permissions in one service."""

    @property
    def service(self) -> str:
        """The prefix of its actions."""

    @property
    def levels(self) -> Sequence[LevelOfAccess]:
        """The levels that are granted, the gravest first."""


class Decided(Protocol):
    """Whether one principal can do something."""

    @property
    def principal(self) -> str:
        """Its ARN."""

    @property
    def actions(self) -> tuple[str, ...]:
        """What is decided."""

    @property
    def resource(self) -> str:
        """On what; ``*`` is any."""

    @property
    def answer(self) -> str:
        """``yes``, ``no``, ``part`` or ``conditional``."""

    @property
    def when(self) -> str:
        """What must hold where it is conditional."""

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """The kinds of policy in the way of a no."""


def summarize_iam_role(
    asked: Interpretation,
    report: PrincipalReport,
    *,
    services: Sequence[ServiceAccess],
    trust: Sequence[TrustLine],
    recommendations: Sequence[Recommendation],
    coverage: Coverage,
) -> Answer:
    """What the analysis of one principal says to the question: what was asked for first."""
    sentences = [*_role(asked, report, services, trust, recommendations), *notes_of(coverage)]
    return Answer(summary=" ".join(sentences), notices=asked.notices)


def _role(
    asked: Interpretation,
    report: PrincipalReport,
    services: Sequence[ServiceAccess],
    trust: Sequence[TrustLine],
    recommendations: Sequence[Recommendation],
) -> Iterator[str]:
    said = {
        "permissions": lambda: _permissions(report, services),
        "over_privileged": lambda: _risk(report, recommendations),
        "trust": lambda: _trust(report, trust),
        "administrators": lambda: _admin(report),
        "can_become": lambda: _admin(report),
        "unused": lambda: _use(report),
    }
    told = list(dict.fromkeys(focus for focus in (asked.focus, *asked.also) if focus in said))
    if "permissions" in told and "over_privileged" not in told:
        told.append("over_privileged")
    for focus in told or ["permissions"]:
        yield from said[focus]()


def _of(report: PrincipalReport) -> str:
    return f"{report.kind} {shorten(report.name)} of account {shorten(report.arn.split(':')[4])}"


def _permissions(report: PrincipalReport, services: Sequence[ServiceAccess]) -> Iterator[str]:
    if not services:
        yield f"{_first_upper(_of(report))} has no effective permissions."
        return
    shown = ", ".join(
        f"{shorten(each.service)} ({', '.join(f'{level.count:,} {level.level}' for level in each.levels)})"
        for each in services[:_SHOWN]
    )
    more = f", and in {len(services) - _SHOWN:,} more" if len(services) > _SHOWN else ""
    count = _counted(len(services), "service")
    yield f"{_first_upper(_of(report))} can act in {count}, by actions: {shown}{more}."


def _risk(report: PrincipalReport, recommendations: Sequence[Recommendation]) -> Iterator[str]:
    yield f"{_first_upper(_of(report))} has a risk score of {report.score} of 100 ({report.severity})."
    yield from _admin(report)
    if report.findings:
        yield _findings(report.findings)
    else:
        yield "Nothing was found wrong with it."
    if recommendations:
        first = recommendations[0]
        removes = f", which takes {first.removes} points away" if first.removes else ""
        yield f"First to change: {shorten(first.title, 200)}{removes}."


def _findings(findings: Sequence[IamFinding]) -> str:
    shown = "; ".join(
        f"{shorten(each.title, 120)} ({each.severity}{'' if each.certain else ', if conditions hold'})"
        for each in findings[:_SHOWN]
    )
    more = f"; and {len(findings) - _SHOWN:,} more" if len(findings) > _SHOWN else ""
    return f"{_counted(len(findings), 'finding')}: {shown}{more}."


def _admin(report: PrincipalReport) -> Iterator[str]:
    if report.admin:
        yield f"It is an administrator: {shorten('; '.join(report.admin_by), 300)}."
    elif report.reaches_admin:
        path = min(report.paths, key=lambda each: (not each.certain, len(each.steps), each.id), default=None)
        way = ""
        if path is not None:
            sure = "" if path.certain else ", if conditions hold"
            rules = ", then ".join(shorten(step.rule) for step in path.steps)
            way = f" in {_counted(len(path.steps), 'step')}{sure}: {rules}, to {shorten(path.to, 160)}"
        yield f"It is no administrator, but can become one{way}."
    else:
        yield "It is no administrator, and no way to one was found."


def _trust(report: PrincipalReport, trust: Sequence[TrustLine]) -> Iterator[str]:
    if report.kind != "role":
        yield f"{_first_upper(_of(report))} is not assumed: only roles are."
        return
    if not trust:
        yield f"Nobody can assume {_of(report)} by its trust policy."
        return
    yield f"By its trust policy, {_of(report)} can be assumed in {_counted(len(trust), 'way')}:"
    lines = [
        f"{shorten(line.who, 160)} {shorten(line.how, 120)}"
        + (f" if {shorten(' and '.join(line.conditions), 200)}" if line.conditions else "")
        + (f" ({line.concern})" if line.concern else "")
        for line in trust[:_MANY]
    ]
    more = f"; and {len(trust) - _MANY:,} more" if len(trust) > _MANY else ""
    yield f"{'; '.join(lines)}{more}."


def _use(report: PrincipalReport) -> Iterator[str]:
    unused = next((each for each in report.findings if each.id == UNUSED), None)
    if unused is not None:
        detail = f": {shorten(unused.detail, 200)}" if unused.detail else ""
        yield f"{_first_upper(_of(report))} is unused{detail}."
    elif report.last_used is not None:
        yield f"{_first_upper(_of(report))} was last used on {report.last_used:%Y-%m-%d}."
    else:
        yield f"When {_of(report)} was last used is not known."


def summarize_iam_scan(
    asked: Interpretation,
    principals: Sequence[PrincipalReport],
    *,
    total: int,
    accounts: tuple[str, ...],
    coverage: Coverage,
) -> Answer:
    """What a scan says to the question. ``principals`` are those at hand of the ``total`` that match the call."""
    chosen = {
        "administrators": ("administrator", [each for each in principals if each.admin]),
        "can_become": (
            "principal that can become administrator",
            [each for each in principals if each.reaches_admin and not each.admin],
        ),
        "unused": ("unused principal", [each for each in principals if any(f.id == UNUSED for f in each.findings)]),
    }.get(asked.focus)
    where = f"in account{'s' if len(accounts) > 1 else ''} {any_of(accounts)}" if accounts else "in no account"
    return Answer(
        summary=" ".join((*_scan(asked, chosen, principals, total, where), *notes_of(coverage))), notices=asked.notices
    )


def _scan(
    asked: Interpretation,
    chosen: tuple[str, list[PrincipalReport]] | None,
    principals: Sequence[PrincipalReport],
    total: int,
    where: str,
) -> Iterator[str]:
    kinds = " or ".join(f"{kind}s" for kind in asked.rights.kind) or "principals"
    of = f" among {kinds}" if asked.rights.kind else ""
    if len(principals) < total:
        yield f"What follows is told of the {len(principals):,} riskiest of {total:,}."
    if chosen is not None:
        one, found = chosen
        many = {"principal that can become administrator": "principals that can become administrator"}.get(one)
        yes = "Yes: " if found and "exists" in asked.also else ""
        yield f"{yes}{_counted(len(found), one, many or '') if found else f'No {one}'}{of} {where}{_listed(found)}."
        if asked.focus == "can_become":
            admins = sum(each.admin for each in principals)
            yield f"Besides, {admins:,} already {'is' if admins == 1 else 'are'} administrator{'s' * (admins != 1)}."
        return
    least = asked.rights.min_severity
    if not principals:
        yield f"No {kinds} of at least {least} severity {where}."
        return
    severity = "" if least == "info" else f" of at least {least} severity"
    yield f"{total:,} {_kind_words(kinds, total)}{severity} {where}, the riskiest first{_listed(principals)}."
    counts = Counter(each.severity for each in principals)
    shown = ", ".join(f"{counts[s]:,} {s}" for s in ("critical", "high", "medium", "low", "info") if counts[s])
    yield f"By severity: {shown}."
    admins, reach = sum(e.admin for e in principals), sum(e.reaches_admin and not e.admin for e in principals)
    yield f"Of them {admins:,} {'is' if admins == 1 else 'are'} administrator, and {reach:,} more can become one."


def _kind_words(kinds: str, total: int) -> str:
    return kinds[:-1] if total == 1 and " " not in kinds else kinds


def _listed(reports: Sequence[PrincipalReport]) -> str:
    if not reports:
        return ""
    shown = ", ".join(
        f"{each.kind} {shorten(each.name)} ({each.score}, account {shorten(each.arn.split(':')[4])})"
        for each in reports[:_MANY]
    )
    more = f", and {len(reports) - _MANY:,} more" if len(reports) > _MANY else ""
    return f": {shown}{more}"


def summarize_iam_can(asked: Interpretation, permissions: Sequence[Decided], *, coverage: Coverage) -> Answer:
    """What one principal can do: the answer first, then under which conditions, or what stops it."""
    return Answer(summary=" ".join((*_can(asked, permissions), *notes_of(coverage))), notices=asked.notices)


def _can(asked: Interpretation, permissions: Sequence[Decided]) -> Iterator[str]:
    who = shorten(asked.rights.principal, 160)
    able = [each for each in permissions if each.answer != "no"]
    if asked.rights.on:
        actions = sorted({action for each in able for action in each.actions})
        on = shorten(asked.rights.resource, 160)
        yield (
            f"{who} can do {_counted(len(actions), 'action')} on {on}{_names(actions)}."
            if actions
            else (f"{who} can do nothing on {on}.")
        )
    elif not able:
        on = "any resource" if asked.rights.resource == "*" else shorten(asked.rights.resource, 160)
        blocked = sorted({each for one in permissions for each in one.blocked_by})
        stopped = f": stopped by {any_of(tuple(blocked))}" if blocked else ""
        yield f"No: {who} cannot {shorten(asked.rights.action)} on {on}{stopped}."
        return
    else:
        sure = any(each.answer == "yes" for each in able)
        part = any(each.answer == "part" for each in able)
        yes = "Yes" if sure else "In part" if part else "Only if conditions hold"
        told = "; ".join(
            f"{who} {_ANSWERS[each.answer]}: {shorten(', '.join(each.actions), 160)} on {_resource(each.resource)}"
            for each in able[:_SHOWN]
        )
        more = f"; and {len(able) - _SHOWN:,} more" if len(able) > _SHOWN else ""
        yield f"{yes}: {told}{more}."
    conditions = list(dict.fromkeys(each.when for each in able if each.when))
    for when in conditions[:_SHOWN]:
        yield f"Under the condition: {shorten(when, 300)}."
    if len(conditions) > _SHOWN:
        yield f"And {len(conditions) - _SHOWN:,} more conditions."


def _resource(resource: str) -> str:
    return "any resource" if resource == "*" else shorten(resource, 160)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(shorten(name) for name in names[:_MANY])
    return f": {shown}" + (f", and {len(names) - _MANY:,} more" if len(names) > _MANY else "")


def summarize_iam_who_can(asked: Interpretation, permissions: Sequence[Decided], *, coverage: Coverage) -> Answer:
    """Who can do something; of the kinds that were asked for, and how many others can."""
    return Answer(summary=" ".join((*_who_can(asked, permissions), *notes_of(coverage))), notices=asked.notices)


def _who_can(asked: Interpretation, permissions: Sequence[Decided]) -> Iterator[str]:
    rights = asked.rights
    able = [each for each in permissions if each.answer != "no"]
    meant = [each for each in able if not rights.kind or any(f":{kind}/" in each.principal for kind in rights.kind)]
    do = f"{shorten(rights.action)} on {_resource(rights.resource)}"
    noun = "principal" if len(rights.kind) != 1 else rights.kind[0]
    if not meant:
        yield f"No {noun} can {do}."
    else:
        yes = "Yes: " if "exists" in asked.also else ""
        yield f"{yes}{_counted(len(meant), noun)} can {do}."
        for answer, lead in (("yes", "For certain"), ("part", "In part"), ("conditional", "If conditions hold")):
            names = [each.principal for each in meant if each.answer == answer]
            if names:
                yield f"{lead}{_names(names)}."
    if others := len(able) - len(meant):
        yield f"Besides, {_counted(others, 'principal')} of other kinds can."


def summarize_iam_changes(
    asked: Interpretation, accounts: Iterable[tuple[str, datetime, datetime, int, Sequence[tuple[str, bool | None]]]],
    *, coverage: Coverage,
) -> Answer:  # fmt: skip
    """What changed between snapshots, by account: its id, the two times, how many things changed, and of whom the
    permissions did, each with whether it became an administrator (False: is none any more, None: neither)."""
    return Answer(summary=" ".join((*_changes(accounts), *notes_of(coverage))), notices=asked.notices)


def _changes(
    accounts: Iterable[tuple[str, datetime, datetime, int, Sequence[tuple[str, bool | None]]]],
) -> Iterator[str]:
    for account, before, after, changes, moved in accounts:
        span = f"{before:%Y-%m-%d %H:%M} and {after:%Y-%m-%d %H:%M} UTC"
        yield (
            f"In account {shorten(account)}, {_counted(changes, 'thing')} changed in IAM between {span}, and what "
            f"{_counted(len(moved), 'principal')} can do{_names([arn for arn, _ in moved]) if moved else ''}."
        )
        for became, said in ((True, "Became administrator"), (False, "Is administrator no more")):
            if names := [arn for arn, admin in moved if admin is became]:
                yield f"{said}{_names(names)}."


def notes_of(coverage: Coverage) -> Iterator[str]:
    """What was not looked at, and what is not part of the answer."""
    for note in coverage.notes[:_SHOWN]:
        yield f"Note: {shorten(note, 300)}."
    if len(coverage.notes) > _SHOWN:
        yield f"And {len(coverage.notes) - _SHOWN:,} more notes."
    if coverage.gaps:
        shown = "; ".join(
            f"{shorten(gap.account or 'all accounts')}: {shorten(gap.reason, 160)}" for gap in coverage.gaps[:3]
        )
        yield f"Not looked at: {shown}{f'; and {len(coverage.gaps) - 3:,} more' if len(coverage.gaps) > 3 else ''}."


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"

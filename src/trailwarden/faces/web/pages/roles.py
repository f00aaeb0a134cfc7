"""Roles: who can do what, how far each can climb, and what to change."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from starlette.responses import Response

from ....errors import TrailwardenError
from ....model.finding import Severity
from ....model.iam_report import EscalationPath, EscalationStep, IamEvidence, PrincipalKind, PrincipalReport
from ....model.time import parse_window
from ....tools.iam_changes import IamChanges
from ....tools.iam_role import RoleReport
from ....tools.iam_scan import IamScan
from ...output import encode
from ...terminal import safe_lines
from ..filters import SPANS
from ..routes import Here, OnPage, Pages
from ..shown import link

pages = Pages()
#: Principals on one page of the table.
PAGE = 100
#: The most actions that a page lists of one answer; the JSON has all.
LISTED = 60
#: The goal of a step by which a principal raises itself.
ADMINISTRATOR = "administrator"
Sort = Literal["score", "name", "kind", "account", "admin", "findings", "used"]
Order = Literal["asc", "desc"]
_SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
#: What the table is sorted by, and the order that is usual for it.
_SORTS: Mapping[Sort, tuple[Callable[[PrincipalReport], Any], Order]] = {
    "score": (lambda each: each.score, "desc"),
    "name": (lambda each: each.name.lower(), "asc"),
    "kind": (lambda each: each.kind, "asc"),
    "account": (lambda each: account_of(each.arn), "asc"),
    "admin": (lambda each: (each.admin, each.reaches_admin, -shortest(each.paths)), "desc"),
    "findings": (lambda each: [sum(one.severity == name for one in each.findings) for name in _SEVERITIES], "desc"),
    "used": (lambda each: each.last_used.timestamp() if each.last_used else 0.0, "desc"),
}


class Line(msgspec.Struct, frozen=True):
    """One line of a document before and after; ``changed`` where they differ. None: the line is on one side only."""

    before: str | None
    after: str | None
    changed: bool


class Offer(msgspec.Struct, frozen=True):
    """An action that could be proposed, and the address of its form."""

    words: str
    href: str


@pages.get("/roles", right="read")
def roles(
    here: OnPage,
    *,
    account: Annotated[list[str] | None, Query()] = None,
    kind: PrincipalKind | Literal[""] = "",
    finding: str = "",
    min_severity: Severity = "info",
    name: str = "",
    sort: Sort = "score",
    order: Order | Literal[""] = "",
    cursor: Annotated[int, Query(ge=0)] = 0,
    refresh: bool = False,
) -> Response:
    """Every role, user and group with its score; data forms hold all that the filters leave, in the same order."""
    if (empty := _unconnected(here)) is not None:
        return empty
    accounts = _some(account)
    # All accounts are judged, whichever are shown: a way to an administrator may lead through another one.
    scanned = here.app.iam_scan(kind=(kind,) if kind else (), min_severity=min_severity, refresh=refresh)
    order = order or _SORTS[sort][1]
    chosen = arranged(scanned.principals, accounts=accounts, finding=finding, name=name, sort=sort, order=order)
    others = tuple(each for each in scanned.others if not accounts or account_of(each.arn) in ("", *accounts))
    result: IamScan = msgspec.structs.replace(scanned, principals=chosen, total=len(chosen), others=others)
    following = cursor + PAGE
    return here.answer(
        "roles.html",
        result,
        name="roles",
        shown=chosen[cursor:following],
        following=following if following < len(chosen) else None,
        choices=_findings_of(scanned.principals),
        accounts=_accounts(here),
        account=accounts,
        kind=kind,
        finding=finding,
        min_severity=min_severity,
        named=name,
        sort=sort,
        order=order,
        turned={each: _turned(each, sort, order) for each in _SORTS},
        severities=_SEVERITIES,
        counts=Counter(each.severity for each in chosen),
        account_of=account_of,
        shortest=shortest,
        place=place,
    )


@pages.get("/roles/principal", right="read")
def principal(here: OnPage, arn: str, refresh: bool = False) -> Response:
    """One role, user or group: by its ARN, or its name where that is the only one."""
    if (empty := _unconnected(here)) is not None:
        return empty
    found: RoleReport = here.app.iam_role(arn, refresh=refresh)
    return here.answer(
        "role.html",
        found,
        name=found.name,
        picture=picture(found.arn, found.paths),
        changes=[differences(each.before, each.after) for each in found.recommendations],
        offers=_offers(here, found),
        steps=steps_of(found.paths),
        account_of=account_of,
        short=short,
        place=place,
    )


@pages.get("/roles/can", right="read")
def can(here: OnPage, principal: str = "", action: str = "", resource: str = "", on: str = "") -> Response:
    """Whether a principal can do an action on a resource, or all that it can do on one (``on``)."""
    if (empty := _unconnected(here)) is not None:
        return empty
    who, what, where, whole = (each.strip() for each in (principal, action, resource, on))
    asked = bool(who and (what or whole)) or here.format is not None
    result = here.app.iam_can(who, what or None, where or "*", on=whole or None) if asked else None
    return here.answer(
        "roles_can.html",
        result,
        name="permissions",
        principal=who,
        action=what,
        resource=where,
        on=whole,
        listed=LISTED,
        account_of=account_of,
        place=place,
    )


@pages.get("/roles/who-can", right="read")
def who_can(
    here: OnPage,
    action: str = "",
    resource: str = "",
    account: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """The users and roles that can do an action on a resource."""
    if (empty := _unconnected(here)) is not None:
        return empty
    what, where, accounts = action.strip(), resource.strip(), _some(account)
    asked = bool(what) or here.format is not None
    result = here.app.iam_who_can(what, where or "*", account=accounts) if asked else None
    return here.answer(
        "roles_who_can.html",
        result,
        name="who-can",
        action=what,
        resource=where,
        accounts=_accounts(here),
        account=accounts,
        account_of=account_of,
        short=short,
        place=place,
    )


@pages.get("/roles/changes", right="read")
def changes(here: OnPage, account: Annotated[list[str] | None, Query()] = None, subject: str = "") -> Response:
    """What changed in IAM: between the oldest and the newest snapshot, or in the span that the address names."""
    if (empty := _unconnected(here)) is not None:
        return empty
    view, accounts = here.view, _some(account)
    last, start, end = (here.request.query_params.get(each, "").strip() for each in ("last", "from", "to"))
    assert view.now is not None
    span = None if last == "all" else last or None
    window = (
        parse_window(last=span, start=start or None, end=end or None, now=view.now, zone=view.zone)
        if span or start or end
        else None
    )
    context: dict[str, Any] = {
        "accounts": _accounts(here),
        "account": accounts,
        "subject": subject.strip(),
        "last": last or ("" if start or end else "all"),
        "start": start,
        "end": end,
        "spans": SPANS,
        "account_of": account_of,
        "short": short,
        "listed": LISTED,
    }
    try:
        result: IamChanges = here.app.iam_changes(account=accounts, window=window)
    except TrailwardenError as error:
        # The tool's own word for "nothing to compare yet"; any other kind has its page.
        if type(error) is not TrailwardenError or here.format is not None:
            raise
        return here.page("roles_changes.html", result=None, reason=error, **context)
    return here.answer("roles_changes.html", only(result, subject.strip()), name="iam-changes", reason=None, **context)


def arranged(
    principals: Iterable[PrincipalReport],
    *,
    accounts: Sequence[str],
    finding: str,
    name: str,
    sort: Sort,
    order: Order,
) -> tuple[PrincipalReport, ...]:
    """Those of the accounts (none: of all) with the finding (its id) and ``name`` in their ARN, sorted."""
    wanted = name.strip().lower()
    kept = sorted(
        (
            each
            for each in principals
            if (not accounts or account_of(each.arn) in accounts)
            and (not finding or any(one.id == finding for one in each.findings))
            and wanted in each.arn.lower()
        ),
        key=lambda each: each.arn,
    )
    return tuple(sorted(kept, key=_SORTS[sort][0], reverse=order == "desc"))


def only(result: IamChanges, subject: str) -> IamChanges:
    """The changes of what has ``subject`` in its ARN; all where it is empty."""
    wanted = subject.lower()
    return msgspec.structs.replace(
        result,
        accounts=tuple(
            msgspec.structs.replace(
                each,
                changes=tuple(one for one in each.changes if wanted in one.subject.lower()),
                permissions=tuple(one for one in each.permissions if wanted in one.principal.lower()),
            )
            for each in result.accounts
        ),
    )


def picture(arn: str, paths: Sequence[EscalationPath]) -> dict[str, Any]:
    """The paths as one graph: principals are nodes, and what one statement permits between two of them is an edge.

    Who makes itself an administrator leads to the node ADMINISTRATOR. An edge's id is ``step-`` and the number of its
    first step in `steps_of`, so that one leads to the other.
    """
    steps, goals = steps_of(paths), {path.to for path in paths} | {ADMINISTRATOR}
    targets = [ADMINISTRATOR if step.to == step.principal else step.to for step in steps]
    ends = dict.fromkeys(end for step, target in zip(steps, targets, strict=True) for end in (step.principal, target))
    bundles: dict[tuple[str, str, str], list[int]] = {}
    for number, (step, target) in enumerate(zip(steps, targets, strict=True)):
        permitted = place(step.statement) if step.statement else ""
        bundles.setdefault((step.principal, target, permitted), []).append(number)
    return {
        "nodes": [
            {"id": end, "label": short(end), "kind": "good" if end == arn else "bad" if end in goals else ""}
            for end in ends
        ],
        "edges": [
            {
                "id": f"step-{numbers[0] + 1}",
                "source": source,
                "target": target,
                "label": " · ".join(filter(None, (permitted, ", ".join(steps[each].rule for each in numbers)))),
                "kind": "" if any(steps[each].certain for each in numbers) else "dashed",
            }
            for (source, target, permitted), numbers in bundles.items()
        ],
    }


def steps_of(paths: Sequence[EscalationPath]) -> tuple[EscalationStep, ...]:
    """Every step of the paths once, in their order."""
    seen: dict[bytes, EscalationStep] = {}
    for path in paths:
        for step in path.steps:
            seen.setdefault(encode(step), step)
    return tuple(seen.values())


def differences(before: Any, after: Any) -> tuple[Line, ...]:
    """Two JSON values line beside line; empty where there is neither."""
    left, right = _written(before), _written(after)
    found: list[Line] = []
    for tag, start, end, first, last in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for offset in range(max(end - start, last - first)):
            one = left[start + offset] if start + offset < end else None
            other = right[first + offset] if first + offset < last else None
            found.append(Line(one, other, tag != "equal"))
    return tuple(found)


def place(evidence: IamEvidence) -> str:
    """A statement's place: ``policy-name Statement[0]``, as the policy's JSON counts; the holder where no policy is."""
    policy = (evidence.policy or "").rsplit("/", 1)[-1] or short(evidence.holder or "")
    number = f"Statement[{evidence.statement}]" if evidence.statement is not None else ""
    return " ".join(part for part in (policy, number) if part)


def short(arn: str) -> str:
    """``role/AdminRole`` of an ARN; other text as it is."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") and arn.count(":") >= 5 else arn


def account_of(arn: str) -> str:
    """The account in an ARN, empty where it has none."""
    return arn.split(":")[4] if arn.startswith("arn:") and arn.count(":") >= 5 else ""


def shortest(paths: Sequence[EscalationPath]) -> int:
    """The steps of the shortest path; 0 where there is none."""
    return min((len(path.steps) for path in paths), default=0)


def _written(document: Any) -> list[str]:
    if document is None:
        return []
    return safe_lines(msgspec.json.format(encode(document), indent=2).decode()).splitlines()


def _turned(each: Sort, sort: Sort, order: Order) -> str:
    """The order that a heading leads to: the usual one, or the other where it is sorted so already."""
    if each != sort:
        return _SORTS[each][1]
    return "asc" if order == "desc" else "desc"


def _findings_of(principals: Iterable[PrincipalReport]) -> list[tuple[str, int]]:
    """The ids of findings, and how many principals have each."""
    counted = Counter(name for each in principals for name in {one.id for one in each.findings})
    return sorted(counted.items())


def _offers(here: Here, found: RoleReport) -> tuple[Offer, ...]:
    """What could be proposed about the principal, for those who may."""
    if not here.may("propose") or found.kind == "group":
        return ()
    common = {"account": account_of(found.arn), "reason": f"IAM analysis: risk {found.score} of 100"}
    if found.kind == "user":
        return (Offer("Disable the user", link("/proposals/new", action="disable_user", user=found.name, **common)),)
    return (Offer("Revoke sessions", link("/proposals/new", action="revoke_sessions", role=found.arn, **common)),)


def _some(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in values or () if each.strip())


def _accounts(here: Here) -> tuple[str, ...]:
    connections = here.console.app.state.connections.list()
    return tuple(sorted({each.account_id for each in connections if each.purpose != "respond"}))


def _unconnected(here: Here) -> Response | None:
    """The page of an installation without accounts; None where there are some, or where data is asked for."""
    if _accounts(here) or here.format is not None:
        return None
    return here.page("roles_unconnected.html")

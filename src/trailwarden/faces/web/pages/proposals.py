"""Proposals: the queue, one with everything that an approver must know, the decision, and what became of it.

Who decides is whoever the session of the server belongs to: no field of a form names an approver.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Form, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from ....actions import actions
from ....errors import NotFound, TrailwardenError, UsageError
from ....model.proposal import State
from ....model.time import parse_window
from ....respond import Approver, Denied
from ....respond.approval import same_person
from ....respond.machine import OPEN, STATES, UNDOABLE, IllegalMove
from ....tools._respond import ProposalCard, card, ledger_of
from ...output import encode
from ..deciding import RESERVED, bars, fields_of, percent, standing
from ..jobs import TICK, jobs_of, running
from ..routes import Here, OnPage, Pages
from ..shown import link

pages = Pages()
pages.router.lifespan_context = running
Text = Annotated[str, Form(max_length=5_000)]

#: The badge of each state.
STATE_KIND: Mapping[State, str] = {
    "pending": "medium",
    "approved": "accent",
    "executing": "accent",
    "succeeded": "good",
    "failed": "critical",
    "outcome_unknown": "high",
    "verified": "good",
    "rejected": "",
    "expired": "",
    "superseded": "",
    "cancelled": "",
    "undone": "low",
}
_CONFIDENCE_KIND = {"high": "critical", "medium": "medium", "low": "low", "none": ""}
#: HTTP's status for a decision that was refused: the person may not, something was left out, or it is too late.
_REFUSED = {"not_confirmed": 400, "no_reason": 400, "wrong_plan": 409, "expired": 409, "already_approved": 409}


async def _form(request: Request) -> FormData:
    return await request.form()


@pages.get("/proposals", right="read")
def proposals(
    here: OnPage,
    state: Annotated[list[str] | None, Query()] = None,
    all_: Annotated[bool, Query(alias="all")] = False,
    account: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """The proposals that something may still be done about; all of them with ``all``, or those of some states."""
    chosen = tuple(each for each in STATES if each in (state or ()))
    if unknown := sorted({*(state or ())} - {"", *STATES}):
        raise UsageError(f"no state {', '.join(unknown)[:100]}", remedy=f"one of: {', '.join(STATES)}")
    found = here.app.actions_list(state=chosen, all_=all_, account=account or None, limit=limit)
    return here.answer(
        "proposals.html",
        found,
        name="proposals",
        chosen=chosen,
        all_=all_,
        account=account,
        limit=limit,
        accounts=_accounts(here),
        state_kind=STATE_KIND,
        states=STATES,
        confidence_kind=_CONFIDENCE_KIND,
        jobs_failure=jobs_of(here.request).failure(TICK),
    )


@pages.get("/proposals/new", right="propose")
def new(here: OnPage) -> Response:
    """The form of an action, filled in from the address; without an action, all there are."""
    return _new(here, {name: ", ".join(here.request.query_params.getlist(name)) for name in here.request.query_params})


@pages.post("/proposals/new", right="propose")
def propose(here: OnPage, sent: Annotated[FormData, Depends(_form)]) -> Response:
    """Plan it, and file it; nothing is done."""
    given = {name: value for name, value in sent.items() if isinstance(value, str)}
    kind = actions().get(given.get("action", ""))  # type: ignore[call-overload]
    view = here.view
    assert view.now is not None
    try:
        if kind is None:
            raise UsageError("no action was chosen", remedy=f"one of: {', '.join(actions())}")
        made: ProposalCard = here.app.actions_propose(
            kind.name,
            arg=tuple(
                f"{each.name}={given[each.name]}" for each in fields_of(kind, {}) if given.get(each.name, "").strip()
            ),
            account=given.get("account") or None,
            reason=given.get("reason", ""),
            evidence=tuple(given.get("evidence", "").replace(",", " ").split()),
            window=parse_window(last=given.get("last") or None, now=view.now, zone=view.zone),
        )
    except TrailwardenError as refused:
        return _new(here, given, refused, status=400 if isinstance(refused, UsageError | NotFound) else 502)
    return here.go(link(f"/proposals/{made.id}", joined="true" if made.joined else None))


@pages.get("/proposals/{identifier}", right="read")
def proposal(here: OnPage, identifier: str, joined: bool = False) -> Response:
    """One proposal, whole."""
    shown = here.app.actions_show(identifier)
    if here.format is not None:
        return here.data(shown, name=f"proposal-{identifier}")
    return _page(here, shown, joined=joined)


@pages.get("/proposals/{identifier}/progress", right="read")
def progress(here: OnPage, identifier: str) -> Response:
    """The steps as they are now, asked for again and again: the question itself is in the audit chain already, once.
    When there is no more to come, the page is to be loaded anew."""
    app = here.app
    shown = card(app, ledger_of(app).get(identifier))
    if here.format is not None:
        return here.data(shown, name=f"proposal-{identifier}")
    if here.partial and not _is_live(here, shown):
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return _page(here, shown, block="progress")


@pages.post("/proposals/{identifier}/approve", right="decide")
def approve(here: OnPage, identifier: str, plan_sha256: Text, typed: Text = "", note: Text = "") -> Response:
    """Approve the plan that was shown, as the person of this session; the console then carries it out."""
    approver = Approver.from_session(here.session.session)
    try:
        approved = ledger_of(here.app).approve(identifier, approver, plan_sha256, typed=typed, note=note)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    if approved.state == "approved":
        jobs_of(here.request).carry_out(identifier)
    return here.go(f"/proposals/{identifier}")


@pages.post("/proposals/{identifier}/reject", right="decide")
def reject(here: OnPage, identifier: str, reason: Text = "") -> Response:
    """Reject it, or take back an approval, as the person of this session."""
    approver = Approver.from_session(here.session.session)
    try:
        ledger_of(here.app).reject(identifier, approver, reason)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    return here.go(f"/proposals/{identifier}")


@pages.post("/proposals/{identifier}/settle", right="decide")
def settle(here: OnPage, identifier: str, done: Annotated[bool, Form()], reason: Text = "") -> Response:
    """Write what the person of this session found at the target."""
    approver = Approver.from_session(here.session.session)
    try:
        ledger_of(here.app).settle(identifier, approver, done=done, reason=reason)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    return here.go(f"/proposals/{identifier}")


@pages.post("/proposals/{identifier}/run", right="execute")
def run(here: OnPage, identifier: str) -> Response:
    """Have carried out what was approved, or go on with what was interrupted."""
    found = ledger_of(here.app).get(identifier)
    if found.state not in ("approved", "executing", "succeeded"):
        return _refused(here, identifier, IllegalMove(identifier, found.state, "begin"))
    here.app.audit("request", {"run": identifier, "proposal": identifier})
    jobs_of(here.request).carry_out(identifier)
    return here.go(f"/proposals/{identifier}")


@pages.post("/proposals/{identifier}/cancel", right="propose")
def cancel(here: OnPage, identifier: str) -> Response:
    """Take back a proposal of one's own."""
    try:
        here.app.actions_cancel(identifier)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    return here.go(f"/proposals/{identifier}")


@pages.post("/proposals/{identifier}/undo", right="propose")
def undo(here: OnPage, identifier: str, reason: Text = "") -> Response:
    """Propose what undoes it."""
    try:
        made: ProposalCard = here.app.actions_undo(identifier, reason=reason)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    return here.go(link(f"/proposals/{made.id}", joined="true" if made.joined else None))


@pages.post("/proposals/{identifier}/watch", right="propose")
def watch(here: OnPage, identifier: str) -> Response:
    """Look now what the target did since."""
    try:
        here.app.actions_watch(identifier)
    except UsageError as refused:
        return _refused(here, identifier, refused)
    return here.go(f"/proposals/{identifier}#since")


def _new(
    here: Here, given: Mapping[str, str], refused: TrailwardenError | None = None, *, status: int = 200
) -> Response:
    kind = actions().get(given.get("action", ""))  # type: ignore[call-overload]
    return here.page(
        "proposal_new.html",
        status=status,
        kind=kind,
        described=(kind.__doc__ or "").strip().partition("\n\n")[0] if kind else "",
        fields=fields_of(kind, given) if kind else (),
        given={name: given.get(name, "") for name in RESERVED},
        offered=tuple(actions().values()),
        accounts=_accounts(here),
        refused=refused,
    )


def _refused(here: Here, identifier: str, refused: UsageError) -> Response:
    """The proposal again, with what was refused; or on to the login where that was too long ago."""
    if isinstance(refused, Denied) and refused.code == "stale_session":
        return here.go(link("/reauthenticate", next=f"/proposals/{identifier}"))
    status = 409 if isinstance(refused, IllegalMove) else 400
    if isinstance(refused, Denied):
        status = _REFUSED.get(refused.code, 403)
    app = here.app
    return _page(here, card(app, ledger_of(app).get(identifier)), refused=refused, status=status)


def _page(
    here: Here,
    shown: ProposalCard,
    *,
    block: str | None = None,
    status: int = 200,
    refused: UsageError | None = None,
    joined: bool = False,
) -> Response:
    app = here.app
    ledger = ledger_of(app)
    found = ledger.get(shown.id)
    asked_by = ledger.asked_by(shown.id)
    return here.page(
        "proposal.html",
        block=block,
        status=status,
        result=shown,
        refused=refused,
        joined=joined,
        asked_by=asked_by,
        standing=standing(
            found,
            here.session,
            asked_by=asked_by,
            approvers=app.state.people.approvers(),
            people=app.state.people.logins(),
            policy=ledger.policy,
            now=app.now(),
        ),
        live=_is_live(here, shown),
        failure=jobs_of(here.request).failure(shown.id),
        own=shown.proposer.kind == "person"
        and same_person(shown.proposer.name) == same_person(here.session.person.login),
        bars=bars(shown.confidence.parts),
        percent=percent(shown.confidence.score),
        blast=sorted(shown.blast_radius.items, key=lambda each: not each.grave),
        decidable=shown.state in ("pending", "approved"),
        undoable=shown.state in UNDOABLE and any(step.undo is not None for step in shown.plan.steps),
        waiting=shown.state in OPEN,
        state_kind=STATE_KIND,
        confidence_kind=_CONFIDENCE_KIND,
        compact=_compact,
        search=_search(shown),
        minutes=int(ledger.policy.reauthenticated_within.total_seconds() // 60),
    )


def _is_live(here: Here, shown: ProposalCard) -> bool:
    """Whether more is to come by itself."""
    return shown.state == "executing" or jobs_of(here.request).is_under_way(shown.id)


def _accounts(here: Here) -> tuple[tuple[str, str], ...]:
    """Connected accounts with their labels."""
    return tuple(sorted({(each.account_id, each.label) for each in here.app.state.connections.list()}))


def _compact(value: Any) -> str:
    return encode(value).decode()


def _search(shown: ProposalCard) -> str:
    """Everything that the target did, as an address."""
    target = shown.target
    by: dict[str, Any] = {
        "access_key": {"access_key": target.id},
        "iam_user": {"user": target.name, "account": target.account},
        "iam_role": {"role": target.arn or target.name, "account": target.account},
        "ip_address": {"ip": target.name},
        "ec2_instance": {"user": target.id, "account": target.account},
    }.get(target.kind, {})
    return link("/search", by, last="7d") if by else ""

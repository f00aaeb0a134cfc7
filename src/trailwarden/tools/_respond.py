"""What the tools about proposals share: the desk, and a proposal as every face shows it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import AwsError, Forbidden, NotFound, SetupError, UsageError
from ..guardrails import Guard
from ..identity import person
from ..installation import Installation
from ..model.authorization import AuthorizationSnapshot
from ..model.event import EventFilter, EventQuery
from ..model.finding import Coverage, Evidence
from ..model.proposal import (
    ActionName,
    Actor,
    Approval,
    BlastItem,
    Call,
    ConfidencePart,
    Proposal,
    State,
    StepOutcome,
    Target,
    TargetKind,
    Transition,
    Watch,
)
from ..model.session import SessionFilter
from ..model.time import Window
from ._directory import directory_of
from ._own import own_addresses
from ._sessions import session_index

if TYPE_CHECKING:
    from ..action import Planned
    from ..desk import Desk
    from ..respond import ApprovalPolicy, Ledger

#: How far back sessions of a target are looked for.
_LOOK_BACK = timedelta(days=7)
#: Sessions of a target, and records, that are named one by one.
_NAMED = 5

ProposalId = Annotated[
    str, Meta(description="The proposal's id, as `actions list` shows it", extra={"argument": True, "metavar": "ID"})
]


class ShownStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step: the call exactly as it is made, what it does, the call that undoes it, and what became of it."""

    number: int
    api: str
    params: Mapping[str, Any]
    region: str
    resources: tuple[str, ...]
    does: str
    undo: Call | None
    outcome: StepOutcome | None


class ShownPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that an approval binds to by ``sha256``; ``export`` is what is destroyed, whole."""

    sha256: str
    steps: tuple[ShownStep, ...]
    pre_state: Mapping[str, Any]
    export: Mapping[str, Any]
    irreversible: tuple[str, ...]


class BlastRadius(msgspec.Struct, frozen=True, kw_only=True):
    """What the action would hit or leave; ``grave`` if something of it should give pause."""

    grave: bool
    items: tuple[BlastItem, ...]


class ShownConfidence(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the evidence makes; ``text`` is as people read it: ``High (94%)``. The parts recompute the score."""

    score: float
    label: str
    text: str
    parts: tuple[ConfidencePart, ...]


class ProposalCard(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with everything that is known of it. ``target`` is the first of ``targets``."""

    id: str
    state: State
    action: ActionName
    title: str
    account: str
    account_label: str
    arguments: Mapping[str, Any]
    target: Target
    targets: tuple[Target, ...]
    reason: str
    proposer: Actor
    proposed: datetime
    expires: datetime
    plan: ShownPlan
    blast_radius: BlastRadius
    confidence: ShownConfidence
    evidence: tuple[Evidence, ...]
    missing_permissions: tuple[str, ...]
    notes: tuple[str, ...]
    administrator: bool | None
    reversible: bool
    approvals_needed: int
    approvals: tuple[Approval, ...]
    watches: tuple[Watch, ...]
    undoes: str | None
    undo_after: datetime | None
    joined: bool = False
    history: tuple[Transition, ...] = ()


def ledger_of(app: Installation) -> "Ledger":
    """The installation's ledger."""
    from ..respond import Ledger  # noqa: PLC0415

    people = app.state.people
    return Ledger(
        app.state,
        now=app.now,
        approvers=people.approvers,
        people=people.logins,
        policy=policy_of(app),
    )


def policy_of(app: Installation) -> "ApprovalPolicy":
    """What an approval takes here, by the settings."""
    from ..respond import ApprovalPolicy  # noqa: PLC0415

    set_ = app.settings.respond
    return ApprovalPolicy(
        two_for_irreversible=set_.two_approvers_for_irreversible,
        two_for_administrators=set_.two_approvers_for_administrators,
        reauthenticated_within=timedelta(minutes=set_.reauthenticate_minutes),
        pending_for=timedelta(hours=set_.pending_hours),
        approved_for=timedelta(minutes=set_.approved_minutes),
        executing_for=timedelta(minutes=set_.execution_minutes),
    )


def desk_of(app: Installation) -> "Desk":
    """Where proposals of this installation are planned and carried out."""
    from ..desk import Desk  # noqa: PLC0415

    return Desk(
        ledger=ledger_of(app),
        state=app.state,
        broker=app.broker,
        now=app.now,
        guard=lambda: guard_of(app),
        snapshot_of=lambda account, fresh: snapshot_of(app, account, refresh=fresh),
        progress=app.progress,
    )


def guard_of(app: Installation) -> Guard:
    """What no action may touch here: this installation's own principal, roles, key and addresses, and the settings."""
    set_ = app.settings.respond
    roles = tuple(each.role_arn for each in app.state.connections.list())
    used, seen = own_addresses(app, roles)
    return Guard(
        own=(app.broker.caller_identity().arn, *roles),
        own_access_keys=(app.broker.own_access_key_id(),),
        principals=set_.protected_principals,
        instances=set_.protected_instances,
        tags=set_.protected_tags,
        addresses=set_.own_addresses,
        used_addresses=used,
        seen_addresses=seen,
        revoke_sessions=set_.revoke_sessions,
    )


def snapshot_of(app: Installation, account: str, *, refresh: bool = False) -> AuthorizationSnapshot | None:
    """Who may do what in the account, read within the hour, or now; None where it cannot be read."""
    from ._iam import judged  # noqa: PLC0415

    try:
        found = judged(app, accounts=(account,), refresh=refresh).snapshots
    except (AwsError, SetupError, UsageError):  # then nobody claims to know it
        return None
    return next((each for each in found if each.account == account), None)


def planned_somewhere(
    app: Installation, desk: "Desk", name: str, arguments: Mapping[str, Any], account: str | None
) -> "Planned":
    """The plan for the account that was named, or for the only connected one in which the target is.

    Raises:
        UsageError, Refused, NotFound, AwsError: as ``Desk.plan``; several accounts have such a target, or none has.
    """
    if account is not None:
        found = [each.account_id for each in app.state.connections.list() if account in (each.account_id, each.label)]
        return desk.plan(name, arguments, account=found[0] if found else account)
    accounts = desk.accounts()
    if not accounts:
        raise SetupError("no account is connected", remedy="`trailwarden accounts connect ROLE_ARN` connects one")
    plans: dict[str, Planned] = {}
    refusals: dict[str, AwsError | UsageError] = {}
    with app.progress.task("Looking for the target", total=len(accounts)) as bar:
        for each in accounts:
            try:
                plans[each] = desk.plan(name, arguments, account=each)
            except (AwsError, UsageError) as error:
                refusals[each] = error
            bar.advance(1)
    there = [each for each, error in refusals.items() if not isinstance(error, NotFound)]
    if len(plans) == 1 and not there:
        return next(iter(plans.values()))
    if plans:
        why = "".join(f"; {each}: {refusals[each].message}" for each in there)
        raise UsageError(
            f"the target could be in {', '.join(sorted({*plans, *there}))}{why}", remedy="name one: --account ID"
        )
    if there:
        raise refusals[there[0]]
    raise NotFound(
        "; ".join(dict.fromkeys(error.message for error in refusals.values())),
        remedy=f"looked in {', '.join(accounts)}: check the name, or connect the account that it is in",
    )


def propose(
    app: Installation,
    name: str,
    arguments: Mapping[str, Any],
    *,
    reason: str,
    account: str | None = None,
    evidence: tuple[str, ...] = (),
    window: Window | None = None,
    owner: str | None = None,
) -> ProposalCard:
    """Plan an action, gather what speaks for it, and file the proposal as the actor of ``app``.

    ``evidence`` are ids of events that are cited; the rules' own are added. ``owner`` is whose the target must be.

    Raises:
        Forbidden: the actor may not propose.
        UsageError: an event that is not in the lake, or the target is not the owner's; as ``planned_somewhere``.
    """
    if not app.may_propose:
        raise Forbidden(
            "this access may read, not propose",
            remedy="use a token with the scope propose, or sign in; on a command line, `trailwarden people link LOGIN "
            "--os-user USER` says which person it is",
        )
    from ._evidence import evidence_for  # noqa: PLC0415

    desk = desk_of(app)
    planned = planned_somewhere(app, desk, name, arguments, account)
    cited = cited_evidence(app, evidence)
    _check_owner(app, planned.plan.targets[0], owner)
    now = app.now()
    span = window or Window(now - _LOOK_BACK, now)
    target = planned.plan.targets[0]
    weighed = evidence_for(app, target, span)
    planned = msgspec.structs.replace(
        planned,
        plan=msgspec.structs.replace(planned.plan, targets=tuple(_owned(app, each) for each in planned.plan.targets)),
        notes=(*planned.notes, *weighed.notes),
    )
    made = desk.file(
        planned,
        reason=reason,
        by=app.actor,
        confidence=weighed.confidence,
        evidence=tuple(dict.fromkeys((*cited, *weighed.evidence))),
        blast_radius=tuple(item for each in planned.plan.targets for item in sessions_at_stake(app, each, span)),
        on_behalf_of=app.on_behalf_of,
    )
    return card(app, made.proposal, joined=made.joined)


def cited_evidence(app: Installation, ids: Iterable[str]) -> tuple[Evidence, ...]:
    """Events by their ids, as evidence.

    Raises:
        UsageError: one is not in the lake: what cannot be opened is no evidence.
    """
    from ..lake.query import records  # noqa: PLC0415

    wanted = tuple(dict.fromkeys(each.strip() for each in ids if each.strip()))
    found = {each: records(app.lake, each) for each in wanted}
    if missing := [each for each in wanted if not found[each]]:
        raise UsageError(
            f"no event {', '.join(missing)[:300]} in the lake",
            remedy="evidence is the id of a record that can be opened",
        )
    return tuple(Evidence(each, "eventName", str(found[each][0].get("eventName", ""))) for each in wanted)


def _check_owner(app: Installation, target: Target, said: str | None) -> None:
    """What is said to be somebody's must be theirs: their user's name, or one of the person's names."""
    if said is None:
        return
    wanted = said.strip().casefold()
    if wanted in (target.name.casefold(), (target.arn or "").rsplit("/", 1)[-1].casefold()):
        return
    owned = _owned(app, target).owner or ""
    if wanted in (owned.casefold(), owned.split("@", 1)[0].casefold()):
        return
    whose = owned or (target.arn or target.name).rsplit("/", 1)[-1]
    raise UsageError(f"{target.id} is not {said}'s: it is {whose}'s", remedy="check the id, or leave out whose it is")


def _owned(app: Installation, target: Target) -> Target:
    """The target with the person behind it, as identity mapping knows them; as it is where that is not one person."""
    if target.owner is not None or target.kind not in ("iam_user", "access_key") or target.arn is None:
        return target
    found = person(target.arn, directory_of(app), app.state.aliases.list())
    known = bool(found.identities) and not found.ambiguous
    return msgspec.structs.replace(target, owner=found.label) if known else target


_OF: Mapping[TargetKind, Callable[[Target], SessionFilter]] = {
    "iam_user": lambda target: SessionFilter(user=(target.name,), account=(target.account,)),
    "access_key": lambda target: SessionFilter(access_key=(target.id,)),
    "iam_role": lambda target: SessionFilter(role=(target.name,), account=(target.account,)),
    "ip_address": lambda target: SessionFilter(ip=(target.name,)),
}


def sessions_at_stake(app: Installation, target: Target, window: Window) -> tuple[BlastItem, ...]:
    """Whose sessions the action would end or leave: those of the target and, from them, of roles assumed."""
    made = _OF.get(target.kind)
    if made is None:
        return ()
    with session_index(app) as index:
        sessions = index.whole(made(target), window)
        further = index.descendants(each.session_id for each in sessions)
    if not sessions:
        return (
            BlastItem(kind="sessions", text=f"no session of {target.name} in the lake since {window.start:%Y-%m-%d}"),
        )
    last = max(each.last_seen for each in sessions)
    items = [
        BlastItem(
            kind="sessions",
            text=f"{len(sessions)} session{'s' if len(sessions) > 1 else ''} of {target.name} since "
            f"{window.start:%Y-%m-%d}, the last one seen {last:%Y-%m-%d %H:%M} UTC",
            grave=False,
        )
    ]
    if further and target.kind in ("iam_user", "access_key"):
        roles = sorted({(each.role_arn or each.session_id).rsplit("/", 1)[-1] for each in further})
        items.append(
            BlastItem(
                kind="remains",
                text=f"roles assumed from there keep working until they expire: {', '.join(roles[:_NAMED])}"
                + (f" and {len(roles) - _NAMED} more" if len(roles) > _NAMED else "")
                + "; revoke_sessions ends them",
                grave=True,
            )
        )
    return tuple(items)


def card(app: Installation, proposal: Proposal, *, joined: bool = False) -> ProposalCard:
    """The proposal as every face shows it."""
    from ..actions import actions  # noqa: PLC0415
    from ..confidence import in_words  # noqa: PLC0415

    kind = actions()[proposal.action]
    outcomes = {each.number: each for each in proposal.outcomes}
    plan, weighed = proposal.plan, proposal.confidence
    labels = {each.account_id: each.label for each in app.state.connections.list()}
    return ProposalCard(
        id=proposal.id,
        state=proposal.state,
        action=proposal.action,
        title=kind.title,
        account=proposal.account,
        account_label=labels.get(proposal.account, ""),
        arguments=proposal.arguments,
        target=plan.targets[0],
        targets=plan.targets,
        reason=proposal.reason,
        proposer=proposal.proposer,
        proposed=proposal.proposed,
        expires=proposal.expires,
        plan=ShownPlan(
            sha256=plan.sha256,
            steps=tuple(
                ShownStep(
                    number=step.number,
                    api=step.call.api,
                    params=step.call.params,
                    region=step.call.region,
                    resources=step.call.resources,
                    does=step.does,
                    undo=step.undo,
                    outcome=outcomes.get(step.number),
                )
                for step in plan.steps
            ),
            pre_state=plan.pre_state,
            export=plan.export,
            irreversible=plan.irreversible,
        ),
        blast_radius=BlastRadius(grave=any(each.grave for each in proposal.blast_radius), items=proposal.blast_radius),
        confidence=ShownConfidence(
            score=weighed.score, label=weighed.label, text=in_words(weighed), parts=weighed.parts
        ),
        evidence=proposal.evidence,
        missing_permissions=proposal.missing_permissions,
        notes=(*proposal.notes, *_late(proposal)),
        administrator=proposal.administrator,
        reversible=not plan.irreversible and any(step.undo is not None for step in plan.steps),
        approvals_needed=ledger_of(app).needed(proposal),
        approvals=proposal.approvals,
        watches=proposal.watches,
        undoes=proposal.undoes,
        undo_after=proposal.undo_due or proposal.undo_after,
        joined=joined,
        history=proposal.history,
    )


def _late(proposal: Proposal) -> Iterator[str]:
    """What of the evidence was added after an approval."""
    ids = list(dict.fromkeys(each.event_id for each in proposal.late_evidence))
    if ids:
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        yield f"evidence added after an approval, which is not of it: {', '.join(ids[:_NAMED])}{more}"


def watch(app: Installation, proposal: Proposal) -> Watch | None:
    """Look for calls that bear the target's key, name, session or address since the action; None while it is not done.

    The lake is asked, and event history for what the lake does not hold yet.
    """
    from ..lake.query import search  # noqa: PLC0415
    from .search import live_history  # noqa: PLC0415

    done = [each.at for each in proposal.outcomes if each.state in ("done", "already")]
    if not done:
        return None
    now, since = app.now(), max(done)
    calls = refused = 0
    evidence: list[Evidence] = []
    coverage = Coverage()
    for where in filter(None, map(_activity_of, proposal.plan.targets)):
        query = EventQuery(where=where, window=Window(since, max(now, since + timedelta(seconds=1))), limit=20)
        asked = live_history(app, query, "auto")
        page = search(app.lake, query, now=now, history=asked.regions)
        calls += page.total
        refused += page.failed
        evidence += [Evidence(each.event_id, "eventName", each.name or "") for each in page.events]
        coverage = coverage.with_gaps((*page.coverage.gaps, *asked.gaps), (*page.coverage.notes, *asked.notes))
    late = "CloudTrail delivers within about 5, up to 15 minutes: later calls may still come"
    gaps = "; ".join(dict.fromkeys(each.reason for each in coverage.gaps))
    return Watch(
        at=now, since=since, until=now, calls=calls, refused=refused, complete=coverage.complete,
        note="; ".join(each for each in (gaps, late) if each)[:1000], evidence=tuple(evidence),
    )  # fmt: skip


def _activity_of(target: Target) -> EventFilter | None:
    match target.kind:
        case "iam_user":
            return EventFilter(arn=(target.arn,), account=(target.account,)) if target.arn else None
        case "access_key":
            return EventFilter(access_key=(target.id,))
        case "iam_role":
            return EventFilter(role=(target.arn or target.name,), account=(target.account,))
        case "ip_address":
            return EventFilter(ip=(target.name,))
        case "ec2_instance":
            return EventFilter(user=(target.id,), account=(target.account,))
        case _:
            return None

"""A question in plain words, as the call of the tool that answers it.

Names, ids and times are masked first; the sentence that is left must be covered by the grammar word for word.
What is not understood is named and refused, with the nearest questions that are understood: nothing is guessed
and nothing is left out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ..errors import NotUnderstood
from ..model.event import VALUE_FIELDS, EventFilter
from ..model.time import Window
from .command import ALERT_TOOLS, DEFAULT_LIMIT, RIGHTS_TOOLS, TIMED_TOOLS, Search, Tool, any_of
from .draft import Draft
from .entities import LONGEST_QUESTION, Masked, Vocabulary, clean, mask, unknown_name
from .grammar import FILLER, MASKS, START_FOLLOWUP, START_QUESTION, Piece, Unparsed, parse, tokenize
from .meanings import FAILED_SIGN_INS, SIGN_INS, WHO_FIELDS, Focus
from .references import REFERENCES, Found, resolve
from .refusals import Uncovered, explain, told, unknown_words
from .rights import name_of
from .routes import SESSION_FIELDS, SESSION_FOCI
from .windows import Reading, moved, read_times

_UNIVERSAL = {"all", "every", "all of", "all the", "everyone", "everybody", "everything"}
_CONTINUES = {"AND", "WHAT_ABOUT", "NOW", "SAME", "BUT", "ONLY"}
#: Names and times: whatever of them stands in a question must have become a condition.
_MUST_COUNT = frozenset(MASKS) - {"COMMA", "POSSESSIVE", "NUMBER", "SYMBOL", "ITSELF"}
#: The tools whose answers a question can continue, besides the search.
_SESSION_TOOLS = {"identity", "sessions_list", "sessions_show", "auth_model"}
#: Words that begin a question which continues the one before in full.
_LEADS = {"AND", "BUT", "NOW", "COMMA"}
_WHEN: frozenset[Focus] = frozenset(("when_last", "when_first"))


class Interpretation(Search, frozen=True, kw_only=True):
    """What a question was understood as: the call of a tool, and how its answer is told.

    ``tool`` answers it, called with ``call``. ``focus`` is what the answer tells first, ``also`` what it tells
    besides. ``notices`` say how names were read and which of them the lake does not know. ``found`` is what the
    answer told of, once it is known: the next question may refer to it. ``uncut`` is the end of what was named,
    where ``window`` ends before it because nothing is known of the future.
    """

    focus: Focus = "events"
    also: tuple[Focus, ...] = ()
    notices: tuple[str, ...] = ()
    found: Found = Found()
    uncut: datetime | None = None


def interpret(
    question: str,
    *,
    now: datetime,
    zone: tzinfo,
    vocabulary: Vocabulary,
    previous: Interpretation | None = None,
    labels: Mapping[str, str] | None = None,
) -> Interpretation:
    """What ``question`` asks for.

    ``zone`` is where its wall-clock times are meant, unless it names another. ``previous`` is the question that
    a follow-up ("and yesterday?") continues. ``labels`` maps the ids of connected accounts to their labels.

    Raises:
        NotUnderstood: with what was not understood, and the nearest questions that are.
    """
    masked: Masked | None = None
    pieces: tuple[Piece, ...] = ()
    text = question[:200]
    try:
        text = clean(question)
        masked = mask(text, vocabulary, labels or {})
        pieces = written = tokenize(text, masked.pieces)
        pieces = resolve(written, previous)
        draft, follows = _draft(pieces, previous)
        asked = _Asked(draft, written, pieces, masked, now=now, zone=zone, vocabulary=vocabulary)
        if follows and previous is not None:
            return _continued(asked, previous)
        return _whole(asked, previous)
    except NotUnderstood as error:
        raise told(text, error, pieces or (masked.pieces if masked else ())) from error


class _Asked:
    """A question that was read, and what it is read with."""

    def __init__(
        self,
        draft: Draft,
        written: Sequence[Piece],
        pieces: Sequence[Piece],
        masked: Masked,
        *,
        now: datetime,
        zone: tzinfo,
        vocabulary: Vocabulary,
    ) -> None:
        self.draft = draft
        self.pieces = pieces
        self.now = now
        self.zone = zone
        referring = [
            (was, now_is)
            for was, now_is in zip(written, pieces, strict=True)
            if was.type in REFERENCES and now_is.type != "ITSELF"
        ]
        self.refers = bool(referring)
        meant = (f"{was.text!r} is read as {any_of(now_is.value.values)}" for was, now_is in referring)
        self.notices = tuple(dict.fromkeys((*meant, *_notices(draft, masked, vocabulary))))

    def times(self, previous: Interpretation | None) -> Reading:
        """The window that is meant; one that is moved, or not said of what was asked before, is that of before."""
        zoned = any(part.role == "zone" for part in self.draft.times)
        zone = self.zone if zoned or previous is None else previous.zone
        reading = read_times(self.draft.times, now=self.now, zone=zone)
        if self.draft.shift is None:
            return reading
        if reading.window is not None or previous is None or previous.window is None:
            raise NotUnderstood(
                "the question before has no time that could be moved"
                if reading.window is None
                else "a time of its own and a move of the time before cannot be asked at once",
                remedy="name the time",
            )
        whole = Window(previous.window.start, previous.uncut or previous.window.end)
        return moved(whole, self.draft.shift, now=self.now, zone=reading.zone)


def _draft(pieces: tuple[Piece, ...], previous: Interpretation | None) -> tuple[Draft, bool]:
    """The draft of a question, and whether it continues the one before."""
    kept = [piece for piece in pieces if piece.type != FILLER]
    continues = bool(kept) and kept[0].type in _CONTINUES
    starts = (START_FOLLOWUP, START_QUESTION) if continues and previous else (START_QUESTION, START_FOLLOWUP)
    leads = next((at for at, piece in enumerate(kept) if piece.type not in _LEADS), 0) if previous else 0
    failures: list[Unparsed] = []
    for start in starts:
        tree = parse(kept[leads:] if start == START_QUESTION else kept, start)
        if isinstance(tree, Unparsed):
            failures.append(tree)
            continue
        if start == START_FOLLOWUP and previous is None:
            raise _nothing_before(kept, continues=continues)
        draft = Draft()
        draft.same = any(piece.type == "SAME" for piece in kept)
        draft.read(tree)
        draft.finish()
        _refuse_unplaced(kept, draft)
        return draft, start == START_FOLLOWUP
    furthest = max(failures, key=lambda failure: failure.piece.start if failure.piece else LONGEST_QUESTION)
    refused = explain(kept, furthest)
    raise Uncovered(refused.message, remedy=refused.remedy)


def _refuse_unplaced(kept: list[Piece], draft: Draft) -> None:
    """No name and no time of a question may be left without effect."""
    if draft.tool not in {"lake_info", "accounts_doctor"}:
        for piece in kept:
            if piece.type in _MUST_COUNT and piece not in draft.placed:
                raise Uncovered(f"{piece.text!r} is not understood here", remedy="ask for one thing at a time")


def _nothing_before(kept: list[Piece], *, continues: bool) -> NotUnderstood:
    if all(piece.type in {"TIME", "COMMA"} for piece in kept):
        return NotUnderstood(
            "only a time is given, not what to look for", remedy="ask, for example: Show calls yesterday"
        )
    if continues:
        return NotUnderstood("this continues a question, and there is none before it", remedy="ask the whole question")
    if unknown_words(kept):
        refused = explain(kept, Unparsed(None, None))
        return Uncovered(refused.message, remedy=refused.remedy)
    return Uncovered("what to look for is not said", remedy="say it: calls, sign-ins, failures, who, when, how many")


def _whole(asked: _Asked, previous: Interpretation | None) -> Interpretation:
    draft = asked.draft
    if draft.focus == "exists":
        for piece in asked.pieces:
            if piece.text.lower() in _UNIVERSAL:
                raise NotUnderstood(
                    f"whether {piece.text!r} did cannot be asked, only whether any did, or how many",
                    remedy="ask 'How many …', once for the calls that did and once for all",
                )
    if draft.tool in {"lake_info", "accounts_doctor"}:
        return Interpretation(tool=draft.tool, zone=asked.zone)
    continued = previous if asked.refers or draft.shift is not None else None
    reading = asked.times(continued)
    timeless = draft.tool == "sessions_show" or draft.tool in (RIGHTS_TOOLS | ALERT_TOOLS) - TIMED_TOOLS
    if continued is not None and reading.window is None and not timeless and draft.focus not in _WHEN:
        reading = _still(continued, asked.now, reading.zone)
    where, notices = _filter(draft), asked.notices
    if draft.this_account is not None:
        account = previous.where.account if previous is not None else ()
        if account and not where.account:
            where = msgspec.structs.replace(where, account=account)
        said = any_of(where.account) if where.account else "all accounts that are known here"
        notices = (*notices, f"{draft.this_account.text!r} is read as {said}")
    return Interpretation(
        tool=draft.tool,
        where=where,
        window=reading.window,
        last=reading.last,
        uncut=reading.uncut,
        zone=reading.zone,
        order="oldest" if draft.newest_first is False else "newest",
        limit=draft.limit or DEFAULT_LIMIT,
        focus=draft.focus or "events",
        also=tuple(draft.also),
        notices=notices,
        method=tuple(dict.fromkeys(draft.method)),
        session=draft.session,
        rights=draft.rights,
        host=draft.host,
        alert=draft.alert,
    )


def _still(previous: Interpretation, now: datetime, zone: tzinfo) -> Reading:
    """The time of the question before; a span up to now moves along."""
    if previous.last is not None:
        return Reading(Window(now - previous.last, now), zone, previous.last)
    return Reading(previous.window, zone, None, previous.uncut)


def _continued(asked: _Asked, previous: Interpretation) -> Interpretation:
    """The question before with what the follow-up changes: a name replaces the names of its kind."""
    if previous.tool in _SESSION_TOOLS:
        return _continued_sessions(asked, previous)
    if previous.tool in RIGHTS_TOOLS or previous.tool in ALERT_TOOLS:
        return _continued_elsewhere(asked, previous)
    if previous.tool != "search":
        raise NotUnderstood(
            "the question before was no search, and cannot be continued", remedy="ask the whole question"
        )
    draft = asked.draft
    if draft.tool != "search":
        raise NotUnderstood("events cannot be narrowed to sessions", remedy="ask for the sessions in a whole question")
    reading = asked.times(previous)
    change = _filter(draft)
    kept = {field: getattr(previous.where, field) for field in previous.where.__struct_fields__}
    changed = _changed(change)
    if set(changed) & set(WHO_FIELDS) or (draft.same and "ip" in changed):
        kept |= dict.fromkeys((*WHO_FIELDS, *(("ip",) if draft.same else ())), ())
    if "exclude" in changed and previous.where.exclude is not None:
        changed["exclude"] = _both(previous.where.exclude, change.exclude or EventFilter())
    where = _sign_ins_by_outcome(EventFilter(**kept | changed))
    _refuse_contradiction(where)
    if reading.window is None:
        reading = _still(previous, asked.now, reading.zone)
    focus = draft.focus or previous.focus
    one = previous.focus in _WHEN and focus not in _WHEN
    return msgspec.structs.replace(
        previous,
        where=where,
        window=reading.window,
        last=reading.last,
        uncut=reading.uncut,
        zone=reading.zone,
        focus=focus,
        also=tuple(draft.also) if draft.focus else previous.also,
        order=previous.order if draft.newest_first is None else ("newest" if draft.newest_first else "oldest"),
        limit=draft.limit or (DEFAULT_LIMIT if one else previous.limit),
        notices=asked.notices,
        found=Found(),
    )


def _changed(change: EventFilter) -> dict[str, Any]:
    """The conditions that a follow-up names."""
    return {field: value for field, value in msgspec.structs.asdict(change).items() if value not in ((), None)}


def _continued_sessions(asked: _Asked, previous: Interpretation) -> Interpretation:
    """The same for questions about people, sessions and how they sign in: who replaces who, and the tool follows."""
    draft = asked.draft
    changed = _changed(_filter(draft))
    account_only = previous.tool == "auth_model"
    allowed = {"account"} if account_only else {*SESSION_FIELDS, "session"}
    odd = set(changed) - allowed or (draft.focus is not None and (account_only or draft.focus not in SESSION_FOCI))
    if odd or draft.newest_first is not None or (account_only and draft.method):
        raise NotUnderstood(
            "the question before was about sessions or people, and cannot be continued by what calls did",
            remedy="ask it as a whole question, such as: What did this user do?",
        )
    reading = asked.times(previous)
    if reading.window is None:
        reading = _still(previous, asked.now, reading.zone)
    kept = {field: getattr(previous.where, field) for field in SESSION_FIELDS}
    if named := set(changed) & {"user", "role", "access_key", "session", *(("ip",) if draft.same else ())}:
        kept |= dict.fromkeys(("user", "role", "access_key", *(("ip",) if draft.same else ())), ())
    if "session" in changed:
        changed["user"] = changed.pop("session")
    where = EventFilter(**kept | changed)
    method = tuple(dict.fromkeys(draft.method)) or (() if named else previous.method)
    tool, session = previous.tool, ""
    if not account_only:
        chosen = {field for field in SESSION_FIELDS if getattr(where, field)}
        people = previous.tool != "sessions_list" and chosen <= {"user", "account"} and len(where.user) == 1
        tool = "identity" if people and not method and "session" not in named else "sessions_list"
        key = where.access_key[0] if len(where.access_key) == 1 else ""
        if (
            previous.tool == "sessions_show"
            and key
            and chosen == {"access_key"}
            and reading.window is None
            and "*" not in key
        ):
            tool, session = "sessions_show", key
        if not chosen and not method and previous.tool == "sessions_show":
            raise NotUnderstood(
                f"{previous.session!r} is one session, and cannot be narrowed further",
                remedy="ask a whole question: who used a role or a key, and when",
            )
    return Interpretation(
        tool=tool,
        where=where,
        window=reading.window,
        last=reading.last,
        uncut=reading.uncut,
        zone=reading.zone,
        limit=draft.limit or previous.limit,
        focus=draft.focus or previous.focus,
        also=tuple(draft.also) if draft.focus else previous.also,
        notices=asked.notices,
        method=method,
        session=session,
    )


#: The tools of IAM and of endpoint alerts -> what of a question to them a follow-up may replace.
_REPLACEABLE: Mapping[Tool, frozenset[str]] = {
    "iam_role": frozenset(("account", "principal")), "iam_can": frozenset(("account", "principal")),
    "iam_scan": frozenset(("account",)), "iam_who_can": frozenset(("account",)), "iam_changes": frozenset(("account",)),
    "correlate_host": frozenset(("host", "user")), "correlate_recent": frozenset(("host", "user")),
    "correlate_alert": frozenset(("alert",)), "correlate_session": frozenset(("session",)),
}  # fmt: skip


def _continued_elsewhere(asked: _Asked, previous: Interpretation) -> Interpretation:
    """The same for questions to IAM and about endpoint alerts: another account, principal, host, user or time."""
    draft = asked.draft
    changed = _changed(_filter(draft))
    new: dict[str, Any] = {}
    if "account" in changed:
        new["account"] = changed.pop("account")
    if previous.tool in RIGHTS_TOOLS and len(changed.keys() & {"role", "user"}) == 1:
        named = [piece for piece in draft.placed if piece.type in {"ROLE", "USER"}]
        if len(named) == 1:
            new["principal"] = (name_of(named[0]), named[0].type.lower())
            changed = {field: value for field, value in changed.items() if field not in {"role", "user"}}
    if previous.tool in {"correlate_host", "correlate_recent"} and "user" in changed:
        changed.pop("user")
        new["user"] = tuple(name_of(piece) for piece in draft.placed if piece.type in {"USER", "WORD", "QUOTED"})
    if draft.host:
        new["host"] = draft.host
    if previous.tool == "correlate_session" and changed.keys() == {"access_key"} and len(changed["access_key"]) == 1:
        new["session"] = changed.pop("access_key")[0]
    timed = bool(draft.times) or draft.shift is not None
    odd = set(new) - _REPLACEABLE[previous.tool] or changed or draft.focus or draft.limit or draft.method
    if odd or draft.newest_first is not None or (timed and previous.tool not in TIMED_TOOLS):
        raise NotUnderstood(
            "the question before cannot be continued by this: "
            + ("it takes no time" if timed and not odd else "its answer has nothing of the kind"),
            remedy="ask the whole question",
        )
    reading = asked.times(previous)
    if reading.window is None:
        reading = _still(previous, asked.now, reading.zone)
    rights, where, tool, host = previous.rights, previous.where, previous.tool, previous.host
    if "account" in new:
        where = msgspec.structs.replace(where, account=new["account"])
    if "principal" in new:
        name, kind = new["principal"]
        rights = msgspec.structs.replace(rights, principal=name, principal_kind=kind)
    if "user" in new:
        tool, host, where = "correlate_recent", "", msgspec.structs.replace(where, user=new["user"])
    if "host" in new:
        tool, host, where = "correlate_host", new["host"], msgspec.structs.replace(where, user=())
    return msgspec.structs.replace(
        previous, tool=tool, where=where, rights=rights, host=host, session=new.get("session", previous.session),
        window=reading.window, last=reading.last, uncut=reading.uncut, zone=reading.zone, notices=asked.notices,
        found=Found(),
    )  # fmt: skip


def _sign_ins_by_outcome(where: EventFilter) -> EventFilter:
    """Failed sign-ins show in other events than those that succeed."""
    if where.event not in {SIGN_INS, FAILED_SIGN_INS}:
        return where
    return msgspec.structs.replace(where, event=FAILED_SIGN_INS if where.failed or where.denied else SIGN_INS)


def _both(one: EventFilter, other: EventFilter) -> EventFilter:
    """Two exclusions as one: each value is left out on its own."""
    merged: dict[str, Any] = {field: (*getattr(one, field), *getattr(other, field)) for field in VALUE_FIELDS}
    return EventFilter(**merged)


def _filter(draft: Draft) -> EventFilter:
    fields: dict[str, Any] = {field: _narrowed(field, groups) for field, groups in draft.fields.items()}
    switches: dict[str, Any] = {str(name): value for name, value in draft.switches.items()}
    excluded: dict[str, Any] = dict(draft.excluded)
    where = EventFilter(**fields, **switches, exclude=EventFilter(**excluded) if excluded else None)
    _refuse_contradiction(where)
    return where


def _narrowed(field: str, groups: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The values that lie within every group: one must say the same as another, or more exactly."""
    kept = groups[0]
    for group in groups[1:]:
        both = tuple(value for value in kept if _within(value, group)) or tuple(
            value for value in group if _within(value, kept)
        )
        if not both:
            raise NotUnderstood(
                f"{_listed(kept)} and {_listed(group)} cannot both be the {field.replace('_', ' ')} of a call",
                remedy="join alternatives with 'or', or ask for each on its own",
            )
        kept = both
    return kept


def _within(value: str, group: tuple[str, ...]) -> bool:
    name = value.lower().split(":")[-1]
    return any(fnmatchcase(value.lower(), other.lower()) or fnmatchcase(name, other.lower()) for other in group)


def _listed(values: tuple[str, ...]) -> str:
    return " or ".join(repr(value) for value in values[:3])


def _refuse_contradiction(where: EventFilter) -> None:
    if where.denied and where.failed is False:
        raise NotUnderstood("denied calls have failed: they cannot be successful", remedy="leave one of the two out")
    if where.exclude is not None:
        for field in where.__struct_fields__:
            wanted, left_out = getattr(where, field), getattr(where.exclude, field)
            if isinstance(wanted, tuple) and wanted and left_out and all(_within(value, left_out) for value in wanted):
                raise NotUnderstood(
                    f"{_listed(wanted)} is asked for and left out at once", remedy="leave one of the two out"
                )


def _notices(draft: Draft, masked: Masked, vocabulary: Vocabulary) -> tuple[str, ...]:
    found = [*masked.notices, *draft.notices]
    for written, values in draft.people:
        if any(value.lower() != written.lower() for value in values):
            found.append(f"{written!r} is read as {' or '.join(values)}")
        elif unknown := unknown_name("user", written, values, vocabulary.users):
            found.append(unknown)
    unknown_roles = (unknown_name("role", role, (role,), vocabulary.roles) for role in draft.roles)
    found.extend(filter(None, unknown_roles))
    return tuple(dict.fromkeys(found))

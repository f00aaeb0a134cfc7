"""A question in plain words, as the search that answers it.

Names, ids and times are masked first; the sentence that is left must be covered by the grammar word for word.
What is not understood is named and refused, with the nearest questions that are understood: nothing is guessed
and nothing is left out.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ..errors import NotUnderstood
from ..model.event import VALUE_FIELDS, EventFilter
from ..model.time import Window
from .command import DEFAULT_LIMIT, Search
from .draft import Draft
from .entities import LONGEST_QUESTION, Masked, Vocabulary, clean, mask, unknown_name
from .grammar import FILLER, MASKS, START_FOLLOWUP, START_QUESTION, Piece, Unparsed, parse, tokenize
from .meanings import FAILED_SIGN_INS, SIGN_INS, WHO_FIELDS, Focus
from .refusals import Uncovered, explain, told, unknown_words
from .windows import read_times

_UNIVERSAL = {"all", "every", "all of", "all the", "everyone", "everybody", "everything"}
_CONTINUES = {"AND", "WHAT_ABOUT", "NOW", "SAME", "BUT", "ONLY"}
#: Names and times: whatever of them stands in a question must have become a condition.
_MUST_COUNT = frozenset(MASKS) - {"COMMA", "POSSESSIVE", "NUMBER", "SYMBOL"}
_WHEN: frozenset[Focus] = frozenset(("when_last", "when_first"))


class Interpretation(Search, frozen=True, kw_only=True):
    """What a question was understood as: the search, and how its answer is told.

    ``tool`` answers it, called with ``arguments``. ``focus`` is what the answer tells first, ``also`` what it
    tells besides. ``notices`` say how names were read and which of them the lake does not know.
    """

    focus: Focus = "events"
    also: tuple[Focus, ...] = ()
    notices: tuple[str, ...] = ()


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
        pieces = tokenize(text, masked.pieces)
        draft, follows = _draft(pieces, previous)
        if follows and previous is not None:
            return _continued(draft, previous, masked, now=now, zone=zone, vocabulary=vocabulary)
        return _whole(draft, masked, pieces, now=now, zone=zone, vocabulary=vocabulary)
    except NotUnderstood as error:
        raise told(text, error, pieces or (masked.pieces if masked else ())) from error


def _draft(pieces: tuple[Piece, ...], previous: Interpretation | None) -> tuple[Draft, bool]:
    """The draft of a question, and whether it continues the one before."""
    kept = [piece for piece in pieces if piece.type != FILLER]
    continues = bool(kept) and kept[0].type in _CONTINUES
    starts = (START_FOLLOWUP, START_QUESTION) if continues and previous else (START_QUESTION, START_FOLLOWUP)
    failures: list[Unparsed] = []
    for start in starts:
        tree = parse(pieces, start)
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
    if draft.tool == "search":
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


def _whole(
    draft: Draft, masked: Masked, pieces: tuple[Piece, ...], *, now: datetime, zone: tzinfo, vocabulary: Vocabulary
) -> Interpretation:
    if draft.focus == "exists":
        for piece in pieces:
            if piece.text.lower() in _UNIVERSAL:
                raise NotUnderstood(
                    f"whether {piece.text!r} did cannot be asked, only whether any did, or how many",
                    remedy="ask 'How many …', once for the calls that did and once for all",
                )
    if draft.tool != "search":
        return Interpretation(tool=draft.tool, zone=zone)
    reading = read_times(draft.times, now=now, zone=zone)
    return Interpretation(
        where=_filter(draft),
        window=reading.window,
        last=reading.last,
        zone=reading.zone,
        order="oldest" if draft.newest_first is False else "newest",
        limit=draft.limit or DEFAULT_LIMIT,
        focus=draft.focus or "events",
        also=tuple(draft.also),
        notices=_notices(draft, masked, vocabulary),
    )


def _continued(
    draft: Draft, previous: Interpretation, masked: Masked, *, now: datetime, zone: tzinfo, vocabulary: Vocabulary
) -> Interpretation:
    """The question before with what the follow-up changes: a name replaces the names of its kind."""
    if previous.tool != "search":
        raise NotUnderstood(
            "the question before was no search, and cannot be continued", remedy="ask the whole question"
        )
    named_zone = any(part.role == "zone" for part in draft.times)
    reading = read_times(draft.times, now=now, zone=zone if named_zone else previous.zone)
    change = _filter(draft)
    kept = {field: getattr(previous.where, field) for field in previous.where.__struct_fields__}
    changed = {field: value for field, value in msgspec.structs.asdict(change).items() if value not in ((), None)}
    if set(changed) & set(WHO_FIELDS) or (draft.same and "ip" in changed):
        kept |= dict.fromkeys((*WHO_FIELDS, *(("ip",) if draft.same else ())), ())
    if "exclude" in changed and previous.where.exclude is not None:
        changed["exclude"] = _both(previous.where.exclude, change.exclude or EventFilter())
    where = _sign_ins_by_outcome(EventFilter(**kept | changed))
    _refuse_contradiction(where)
    last = reading.last if reading.window else previous.last
    window = reading.window or (Window(now - last, now) if last is not None else previous.window)
    focus = draft.focus or previous.focus
    one = previous.focus in _WHEN and focus not in _WHEN
    return msgspec.structs.replace(
        previous,
        where=where,
        window=window,
        last=last,
        zone=reading.zone,
        focus=focus,
        also=tuple(draft.also) if draft.focus else previous.also,
        order=previous.order if draft.newest_first is None else ("newest" if draft.newest_first else "oldest"),
        limit=draft.limit or (DEFAULT_LIMIT if one else previous.limit),
        notices=_notices(draft, masked, vocabulary),
    )


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
    found = list(masked.notices)
    for written, values in draft.people:
        if any(value.lower() != written.lower() for value in values):
            found.append(f"{written!r} is read as {' or '.join(values)}")
        elif unknown := unknown_name("user", written, values, vocabulary.users):
            found.append(unknown)
    unknown_roles = (unknown_name("role", role, (role,), vocabulary.roles) for role in draft.roles)
    found.extend(filter(None, unknown_roles))
    return tuple(dict.fromkeys(found))

"""The uses that a part of the lake holds: its records, counted by userIdentity where the engine can do so."""

from collections import defaultdict
from collections.abc import Iterator

from ..sessions import SharedCall, Use, use_of
from ..sessions.reading import is_address
from . import statements
from .decode import restore
from .derive import load_object
from .events import aware
from .layout import COLUMN_NAMES
from .query import LakeParts


def uses_of_rows(parts: LakeParts) -> Iterator[Use]:
    """The uses in these parts: the same, but for how they are split, as ``use_of`` of each record."""
    shared: dict[tuple[object, ...], list[SharedCall]] = defaultdict(list)
    for *use, call, failed, event_id, time in parts.rows(statements.shared_calls()):
        account = use[1]
        shared[tuple(use)].append(SharedCall(call, failed, event_id or "", aware(time), account))
    for batch in parts.batches(statements.uses()):
        for row in batch:
            identity, account, source, console, ip, events, errors, first, last, earliest, latest, *lists = row
            regions, agents = ([each for each in values or () if each] for values in lists)
            yield Use(
                identity=load_object(identity.encode() if identity is not None else None),
                account=account,
                user_name=None,
                from_console=console,
                event_source=source,
                events=events,
                errors=errors,
                first=aware(first),
                last=aware(last),
                first_event=_id(earliest),
                last_event=_id(latest),
                regions=tuple(sorted(regions)),
                source_ip=ip if ip and is_address(ip) else None,
                user_agents=tuple(sorted(agents)),
                shared=tuple(shared.get(tuple(row[:5]), ())),
            )
    for batch in parts.batches(statements.sign_in_records()):
        for row in batch:
            yield use_of(restore(dict(zip(COLUMN_NAMES, row, strict=True))))


def _id(moment: str) -> str:
    """The event id after a time as text, ``2026-11-24 03:42:38.000000 6e88…``."""
    return moment.split(" ", 2)[2]

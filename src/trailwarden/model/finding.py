"""Findings, the evidence under them, and coverage: what an answer did and did not look at."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from .time import Window

Severity = Literal["info", "low", "medium", "high", "critical"]
SourceKind = Literal["archive", "files", "event_history", "iam", "falcon"]
GapKind = Literal[
    "not_fresh",  # nothing newer than fresh_until was delivered
    "not_covered",  # no source holds this part of the window
    "denied",  # AWS refused to show it
    "failed",  # it could not be read
    "interrupted",  # the person stopped the search
    "out_of_reach",  # older than event history, or data events without a trail
]


class Evidence(msgspec.Struct, frozen=True):
    """One record under a finding: the event's id, the field that matters, and its value as recorded."""

    event_id: str
    field: str
    value: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a person's attention, with the records that show it.

    ``id`` names the rule and is stable; ``count`` is how many records support it, of which ``evidence``
    holds some. ``technique`` is MITRE ATT&CK's id, where one fits.
    """

    id: str
    severity: Severity
    title: str
    detail: str = ""
    count: int = 0
    evidence: tuple[Evidence, ...] = ()
    technique: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where records of the answer came from: ``first`` and ``last`` are the event times that it holds."""

    kind: SourceKind
    location: str
    accounts: tuple[str, ...] = ()
    records: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Something inside the question that was not looked at. None for account or region means all of them."""

    kind: GapKind
    reason: str
    account: str | None = None
    region: str | None = None
    window: Window | None = None
    remedy: str = ""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer looked at, and what it did not.

    ``fresh_until`` is the instant up to which every source that was asked has delivered (None if nothing
    was). ``gaps`` make the answer partial (exit code 3); ``notes`` are limits that hold for a complete
    answer too, such as CloudTrail's delivery delay.
    """

    sources: tuple[Source, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    window: Window | None = None
    fresh_until: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing inside the question was left out."""
        return not self.gaps

    def with_gaps(self, gaps: Iterable[Gap], notes: Iterable[str] = ()) -> "Coverage":
        """The same coverage, with further gaps and notes; repeats are dropped."""
        return msgspec.structs.replace(
            self,
            gaps=tuple(dict.fromkeys((*self.gaps, *gaps))),
            notes=tuple(dict.fromkeys((*self.notes, *notes))),
        )

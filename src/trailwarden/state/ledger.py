"""Proposals at rest. What may happen to one is decided by ``respond.Ledger``, which calls this inside its transactions.

What was proposed is one document; what became of it are records beside it, in order, that are only ever added.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from ..model.finding import Evidence
from ..model.proposal import Approval, Proposal, State, StepOutcome, Transition, Watch
from .tables import proposal as table
from .tables import proposal_record as record_table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
RecordKind = Literal["approval", "outcome", "transition", "evidence", "watch"]
Record = Approval | StepOutcome | Transition | Evidence | Watch

_KINDS: Mapping[type[Record], RecordKind] = {
    Approval: "approval",
    StepOutcome: "outcome",
    Transition: "transition",
    Evidence: "evidence",
    Watch: "watch",
}
_TYPES: Mapping[str, type[Record]] = {kind: type_ for type_, kind in _KINDS.items()}
#: Any number that nothing else of this program takes as a PostgreSQL advisory lock.
_ADVISORY_LOCK = 7_234_881_905_313


class LeaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who executes it, until when, and the fencing token. The token is 0 before the first beginning."""

    worker: str | None
    token: int
    until: datetime | None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, and what the ledger keeps beside it: the person who is behind it, and the lease."""

    proposal: Proposal
    asked_by: str | None
    lease: LeaseRow


class ProposalStore:
    """The proposals of one state database."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self.read = read
        self.write = write

    def lock(self, database: sa.Connection) -> None:
        """One decision at a time, until the transaction ends; SQLite has no more than one writer anyway."""
        if database.dialect.name == "postgresql":
            database.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})

    def insert(self, database: sa.Connection, proposal: Proposal, *, open_key: str, asked_by: str | None) -> None:
        """Keep a new proposal; its records are added by :meth:`add`."""
        bare = msgspec.structs.replace(proposal, approvals=(), outcomes=(), history=(), watches=())
        database.execute(
            table.insert().values(
                id=proposal.id,
                state=proposal.state,
                account=proposal.account,
                open_key=open_key,
                asked_by=asked_by,
                proposed=proposal.proposed,
                expires=proposal.expires,
                document=msgspec.json.encode(bare),
                lease_token=0,
            )
        )

    def add(self, database: sa.Connection, identifier: str, *records: Record) -> None:
        """Add records to a proposal, in this order."""
        for record in records:
            values = {"proposal_id": identifier, "kind": _KINDS[type(record)], "document": msgspec.json.encode(record)}
            database.execute(record_table.insert().values(**values))

    def set(self, database: sa.Connection, identifier: str, **values: Any) -> None:
        """Change columns of a proposal: ``state``, ``expires``, ``open_key``, ``lease_worker``, ``lease_until``,
        ``lease_token``."""
        database.execute(table.update().where(table.c.id == identifier).values(**values))

    def find(self, database: sa.Connection, identifier: str) -> Stored | None:
        """The proposal of that id, whole."""
        return next(iter(self._load(database, table.c.id == identifier)), None)

    def find_open(self, database: sa.Connection, open_key: str) -> Stored | None:
        """The open proposal for the same, if there is one."""
        return next(iter(self._load(database, table.c.open_key == open_key)), None)

    def list(
        self,
        database: sa.Connection,
        *,
        states: Collection[State] | None = None,
        account: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Stored]:
        """Proposals, newest first."""
        wanted: list[sa.ColumnElement[bool]] = [] if states is None else [table.c.state.in_(tuple(states))]
        if account is not None:
            wanted.append(table.c.account == account)
        return self._load(database, sa.and_(sa.true(), *wanted), limit)

    def _load(
        self, database: sa.Connection, where: sa.ColumnElement[bool], limit: int | None = None
    ) -> Sequence[Stored]:
        query = sa.select(table).where(where).order_by(table.c.proposed.desc(), table.c.id).limit(limit)
        rows = database.execute(query).mappings().all()
        records: dict[str, list[Record]] = {row["id"]: [] for row in rows}
        query = (
            sa.select(record_table).where(record_table.c.proposal_id.in_(tuple(records))).order_by(record_table.c.id)
        )
        for record in database.execute(query).mappings():
            decoded = msgspec.json.decode(record["document"], type=_TYPES[record["kind"]])
            records[record["proposal_id"]].append(decoded)
        return tuple(_stored(dict(row), records[row["id"]]) for row in rows)


def _stored(row: Mapping[str, Any], records: Sequence[Record]) -> Stored:
    proposed = msgspec.json.decode(row["document"], type=Proposal)
    outcomes = {each.number: each for each in records if isinstance(each, StepOutcome)}  # the last of each step
    evidence = (*proposed.evidence, *(each for each in records if isinstance(each, Evidence)))
    approved = next((at for at, each in enumerate(records) if isinstance(each, Approval)), len(records))
    whole = msgspec.structs.replace(
        proposed,
        state=row["state"],
        expires=row["expires"],
        evidence=tuple(dict.fromkeys(evidence)),
        approvals=tuple(each for each in records if isinstance(each, Approval)),
        outcomes=tuple(outcomes[number] for number in sorted(outcomes)),
        history=tuple(each for each in records if isinstance(each, Transition)),
        watches=tuple(each for each in records if isinstance(each, Watch)),
        late_evidence=tuple(each for each in records[approved:] if isinstance(each, Evidence)),
    )
    lease = LeaseRow(worker=row["lease_worker"], token=row["lease_token"], until=row["lease_until"])
    return Stored(proposal=whole, asked_by=row["asked_by"], lease=lease)

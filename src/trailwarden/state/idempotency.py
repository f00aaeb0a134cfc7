"""Answers by idempotency key: a request that is repeated under its key is not done again.

A key is a caller's own. The claim is kept before the work, the answer after it; a failure frees the key, since nothing
was done under it. Whoever finds a claim without an answer waits, until that is older than PATIENCE: then the process
that made it is gone.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa

from ..errors import UsageError
from .tables import answered_request as table

Transaction = Callable[[], AbstractContextManager[sa.Connection]]
#: For how long an answer is kept, and for how long a claim without one holds.
KEPT, PATIENCE = timedelta(hours=24), timedelta(minutes=10)


class Conflict(UsageError):  # noqa: N818 - reads as the outcome it is
    """The key belongs to another request, or to one that is still under way."""


class AnswerStore:
    """The answers of one state database."""

    def __init__(self, write: Transaction, now: Callable[[], datetime]) -> None:
        self._write = write
        self._now = now

    def once(self, caller: str, key: str, digest: str, work: Callable[[], bytes]) -> tuple[bytes, bool]:
        """The answer to a request, and whether it is a former one's. ``digest`` is the SHA-256 of the request.

        Raises:
            Conflict: the key belongs to another request, or to one that is still under way.
        """
        place = sha256(f"{len(caller)} {caller} {key}".encode()).hexdigest()
        claimed = self._now()
        former = self._claim(place, digest, claimed)
        if former is not None:
            return former, True
        mine = sa.and_(table.c.key == place, table.c.claimed == claimed)
        try:
            answer = work()
        except BaseException:
            with self._write() as database:
                database.execute(table.delete().where(mine))
            raise
        with self._write() as database:
            database.execute(table.update().where(mine).values(answer=answer))
        return answer, False

    def _claim(self, place: str, digest: str, now: datetime) -> bytes | None:
        """The former answer; None if the claim is made now."""
        with self._write() as database:
            given_up = sa.and_(table.c.answer.is_(None), table.c.claimed <= now - PATIENCE)
            database.execute(table.delete().where(sa.or_(table.c.claimed <= now - KEPT, given_up)))
            row = database.execute(sa.select(table).where(table.c.key == place)).mappings().first()
            if row is None:
                try:
                    with database.begin_nested():
                        database.execute(table.insert().values(key=place, request=digest, claimed=now))
                except sa.exc.IntegrityError as error:  # another process was faster, on a database that lets both in
                    raise _under_way() from error
                return None
        if row["request"] != digest:
            raise Conflict("the idempotency key belongs to another request", remedy="use a new key for each request")
        if row["answer"] is None:
            raise _under_way()
        answer: bytes = row["answer"]
        return answer


def _under_way() -> Conflict:
    return Conflict("the request of this idempotency key is still under way", remedy="repeat it in a few seconds")

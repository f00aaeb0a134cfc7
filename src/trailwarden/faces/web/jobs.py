"""What the console does by itself: it carries out what was approved, goes on with what was interrupted, closes what
nobody decided in time, and looks what the targets of actions did since.

One worker does it, one thing after the other. What fails stays on the proposal's page until it is tried again.
"""

import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import msgspec
from fastapi import FastAPI
from starlette.requests import Request

from ...app import App
from ...desk import Desk
from ...errors import TrailwardenError
from ...model.proposal import Actor, Proposal, State
from ...tools._respond import guard_of, ledger_of, snapshot_of

#: How often it is looked whether something is due, and how long a failure is left alone before it is tried again.
EVERY, RETRY = timedelta(minutes=1), timedelta(minutes=10)
#: Between two looks at a target: a third of the time since the action, within these bounds.
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=1)
#: After so long, a proposal that is done and not read back was left so by a process that is gone.
UNREAD = timedelta(minutes=10)
TICK = "tick"
_WATCHED: tuple[State, ...] = ("succeeded", "verified", "failed", "outcome_unknown")
_LOG = logging.getLogger(__name__)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What failed, when, and what to do about it."""

    at: datetime
    message: str
    remedy: str


class Stopping(TrailwardenError):  # noqa: N818 - reads as the outcome it is
    """The server stops; what was done is written, and the reading back is gone on with after the next start."""


class Jobs:
    """The jobs of one console over ``app``, whose clock is theirs. ``start`` looks for due ones every minute; without
    it, ``tick`` does so when it is called."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jobs")
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._under_way: set[str] = set()
        self._failures: dict[str, Failure] = {}
        self._ticker = threading.Thread(target=self._tick_often, name="jobs clock", daemon=True)

    def start(self) -> None:
        """Look for what is due now, and every minute from now on."""
        self._ticker.start()

    def close(self) -> None:
        """Begin nothing more, and wait for the step that is under way."""
        self._stop.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def carry_out(self, identifier: str) -> None:
        """Carry out an approved proposal, or go on with it, after what waits already; look then what its target did."""
        self._submit(identifier, self._carry_out)

    def tick(self) -> None:
        """Close what is over, and put what is due into the queue."""
        self._submit(TICK, lambda _: self._tick())

    def is_under_way(self, identifier: str) -> bool:
        """Whether the proposal waits for the worker, or is being carried out by it."""
        with self._changed:
            return identifier in self._under_way

    def failure(self, identifier: str) -> Failure | None:
        """What failed of the proposal when it was last tried; or of the looking for what is due (``TICK``)."""
        with self._changed:
            return self._failures.get(identifier) or self._failures.get(_watching(identifier))

    def drain(self) -> None:
        """Wait until nothing is under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way)

    # ------------------------------------------------------------ the queue

    def _tick_often(self) -> None:
        self.tick()
        while not self._stop.wait(EVERY.total_seconds()):
            self.tick()

    def _submit(self, key: str, work: Callable[[str], None]) -> None:
        with self._changed:
            if key in self._under_way or self._stop.is_set():
                return
            self._under_way.add(key)
            future = self._worker.submit(work, key)
        future.add_done_callback(partial(self._ended, key))

    def _ended(self, key: str, future: "Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        with self._changed:
            self._under_way.discard(key)
            self._failures.pop(key, None)
            if error is not None and not isinstance(error, Stopping):
                self._failures[key] = _failure(error, self._app.now())
            self._changed.notify_all()
        if error is not None and not isinstance(error, TrailwardenError):
            _LOG.error("the job %s failed", key, exc_info=error)

    def _may_try(self, key: str) -> bool:
        with self._changed:
            failed = self._failures.get(key)
        return failed is None or self._app.now() - failed.at >= RETRY

    # ------------------------------------------------------------ the work

    def _acting(self) -> App:
        return self._app.acting(Actor(kind="rule", name="console", via="console"))

    def _carry_out(self, identifier: str) -> None:
        app = self._acting()
        desk = Desk(
            ledger=ledger_of(app),
            state=app.state,
            broker=app.broker,
            now=app.now,
            guard=lambda: guard_of(app),
            snapshot_of=lambda account, fresh: snapshot_of(app, account, refresh=fresh),
            sleep=self._sleep,
        )
        if desk.execute(identifier).proposal.state == "verified":
            app.actions_watch(identifier)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopping("the server stops", remedy="it is gone on with after the next start")

    def _watch(self, key: str) -> None:
        self._acting().actions_watch(key.removeprefix(_watching("")))

    def _tick(self) -> None:
        app = self._acting()
        ledger, now = ledger_of(app), app.now()
        ledger.expire_due()
        left = [each.proposal.id for each in ledger.resume()]
        done = ledger.list(states=_WATCHED)
        left += [each.id for each in done if is_unread(each, now)]
        for identifier in left:
            if self._may_try(identifier):
                self.carry_out(identifier)
        ends = [each.id for each in done if each.undo_due is not None and each.undo_due <= now]
        undone = {each.undoes for each in ledger.list() if each.state != "expired"} if ends else set()
        watched_for = timedelta(hours=app.settings.respond.watch_hours)
        for each in done:
            key = _watching(each.id)
            due = is_watch_due(each, now, watched_for) or (each.id in ends and each.id not in undone)
            if due and each.id not in left and self._may_try(key):
                self._submit(key, self._watch)


def is_unread(proposal: Proposal, now: datetime) -> bool:
    """Whether every step was done a while ago and nobody read the target back. What a person settled is left so."""
    last = proposal.history[-1]
    return proposal.state == "succeeded" and last.actor.kind != "person" and now - last.at >= UNREAD


def is_watch_due(proposal: Proposal, now: datetime, watched_for: timedelta) -> bool:
    """Whether it is time to look again what the target did: often at first, then less and less."""
    done = [each.at for each in proposal.outcomes if each.state in ("done", "already")]
    if not done or now - max(done) > watched_for:
        return False
    last = proposal.watches[-1].at if proposal.watches else max(done)
    return now - last >= min(max((now - max(done)) / 3, SOONEST), LATEST)


def _watching(identifier: str) -> str:
    return f"watch {identifier}"


def _failure(error: BaseException, now: datetime) -> Failure:
    if isinstance(error, TrailwardenError):
        return Failure(at=now, message=error.message, remedy=error.remedy)
    return Failure(
        at=now,
        message=f"something unforeseen happened: {type(error).__name__}",
        remedy="the server's log has the traceback; report it",
    )


@asynccontextmanager
async def running(served: FastAPI) -> AsyncIterator[None]:
    """The jobs of a console, from its start to its end."""
    jobs = Jobs(served.state.console.app)
    served.state.jobs = jobs
    jobs.start()
    yield
    jobs.close()


def jobs_of(request: Request) -> Jobs:
    """The jobs of the console that answers."""
    jobs = request.app.state.jobs
    assert isinstance(jobs, Jobs)
    return jobs

"""Long work under a page: it goes on in a thread, how far it is comes out piece by piece, and it ends when whoever
reads the pieces has gone."""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import anyio
import anyio.to_thread
import msgspec

from ...progress import Task

T = TypeVar("T")
#: Steps come at most so often, in seconds.
_PAUSE = 0.1


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How far a task is: ``done`` of ``total`` ``unit``s, as far as that is known."""

    task: str
    done: float = 0
    total: float | None = None
    unit: str = ""
    note: str = ""


class _Counted:
    def __init__(self, step: Step, told: Callable[[Step], None]) -> None:
        self._step = step
        self._told = told

    def advance(self, amount: float, *, note: str = "") -> None:
        """Tell that more is done."""
        self._change(done=self._step.done + amount, note=note or self._step.note)

    def total(self, amount: float) -> None:
        """Tell how much there is."""
        self._change(total=amount)

    def _change(self, **changes: object) -> None:
        self._step = msgspec.structs.replace(self._step, **changes)
        self._told(self._step)


class Reported:
    """What work reports to: its progress, and whatever else is to be told; and what is to be done if it is to end."""

    def __init__(self, told: Callable[[msgspec.Struct], None]) -> None:
        self.tell = told
        self._stopped: Future[None] = Future()

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """A task that is told of from its beginning."""
        step = Step(task=title, total=total, unit=unit)
        self.tell(step)
        yield _Counted(step, self.tell)

    def on_stop(self, end: Callable[[], object]) -> None:
        """Call ``end`` when the work is to end, at once if it is already."""
        self._stopped.add_done_callback(lambda _: end())

    def stop(self) -> None:
        """The work is to end."""
        if not self._stopped.done():
            self._stopped.set_result(None)


class Work(Generic[T]):
    """``done`` is given what it reports to. Iterate over what it tells, then ask for the result. Of steps, only the
    newest comes out; whatever else is told, all of it. ``stop`` ends work that asked to be told."""

    def __init__(self, done: Callable[[Reported], T]) -> None:
        self._queue: SimpleQueue[msgspec.Struct | None] = SimpleQueue()
        with_one = ThreadPoolExecutor(max_workers=1)
        reported = Reported(self._queue.put)
        self.stop = reported.stop
        self._future = with_one.submit(done, reported)
        self._future.add_done_callback(lambda _: self._queue.put(None))
        with_one.shutdown(wait=False)

    def __iter__(self) -> Iterator[msgspec.Struct]:
        """What is told, until it is over."""
        while (piece := self._queue.get()) is not None:
            while isinstance(piece, Step):  # what came meanwhile is newer
                try:
                    newer = self._queue.get(timeout=_PAUSE)
                except Empty:
                    break
                if not isinstance(newer, Step):
                    yield piece
                if newer is None:
                    return
                piece = newer
            yield piece

    def result(self) -> T:
        """What the work gave; raises what it raised."""
        return self._future.result()


async def while_read(pieces: Iterator[bytes], stop: Callable[[], None]) -> AsyncIterator[bytes]:
    """The pieces as they come; ``stop`` is called at the end, and as soon as whoever reads them has gone. Who waits
    holds none of the threads that all pages are made in."""
    own = anyio.CapacityLimiter(1)
    try:
        while (
            piece := await anyio.to_thread.run_sync(next, pieces, None, abandon_on_cancel=True, limiter=own)
        ) is not None:
            yield piece
    finally:
        stop()

"""Long work under a page: it goes on in a thread, and how far it is comes out piece by piece."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import msgspec

from ...progress import Progress, Task

T = TypeVar("T")
#: Pieces come at most so often, in seconds.
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


class _Reported:
    """Progress that is told to whoever reads the queue."""

    def __init__(self, told: Callable[[Step], None]) -> None:
        self._told = told

    @contextmanager
    def task(self, title: str, *, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """A task that is told of from its beginning."""
        step = Step(task=title, total=total, unit=unit)
        self._told(step)
        yield _Counted(step, self._told)


class Work(Generic[T]):
    """``done`` is given the progress that it reports to. Iterate over the steps, then ask for the result."""

    def __init__(self, done: Callable[[Progress], T]) -> None:
        self._queue: SimpleQueue[Step | None] = SimpleQueue()
        with_one = ThreadPoolExecutor(max_workers=1)
        self._future = with_one.submit(done, _Reported(self._queue.put))
        self._future.add_done_callback(lambda _: self._queue.put(None))
        with_one.shutdown(wait=False)

    def __iter__(self) -> Iterator[Step]:
        """The newest step of whatever is under way, until it is over."""
        while (step := self._queue.get()) is not None:
            over = False
            while not over:  # what came meanwhile is newer
                try:
                    newer = self._queue.get(timeout=_PAUSE)
                except Empty:
                    break
                over = newer is None
                step = newer or step
            yield step
            if over:
                return

    def result(self) -> T:
        """What the work gave; raises what it raised."""
        return self._future.result()

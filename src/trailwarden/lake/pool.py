"""Worker processes for ingest, and the threads that read remote objects ahead of them.

Workers are plain interpreters that run ``trailwarden.lake.landing`` on one end of a pipe, so that no script of
the caller is imported again and Ctrl-C reaches this process only.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Self

import msgspec

from ..errors import LakeError, TrailwardenError
from .landing import Done, Failed, FromWorker, Idle, Item, Keep, Keys, Landed, Work
from .sources import LocalFile, RecordObject

#: Bounds of a batch of work for one worker, in bytes of gzip; what is stored plain counts as INFLATION times less.
BATCH_MOST = 8 << 20
BATCH_LEAST = 1 << 20
INFLATION = 6
#: How much of remote objects is read ahead, by how many threads.
READ_AHEAD = 48 << 20
READERS = 16
#: Workers keep memory that they freed, for the next portion: getting it back costs a tenth of their time.
MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MIMALLOC_PURGE_DELAY": "-1",
}


def items(objects: Sequence[RecordObject]) -> Iterator[Item]:
    """Objects as items of work, in order. Remote ones are read ahead; local files are read by who lands them."""
    pending: deque[tuple[RecordObject, Future[bytes] | None]] = deque()
    waiting = iter(objects)
    ahead, more = 0, True
    with ThreadPoolExecutor(READERS) as readers:
        try:
            while True:
                while more and ahead < READ_AHEAD and len(pending) < 4 * READERS:
                    each = next(waiting, None)
                    if each is None:
                        more = False
                    elif isinstance(each, LocalFile):
                        pending.append((each, None))
                    else:
                        pending.append((each, readers.submit(each.read)))
                        ahead += each.size
                if not pending:
                    return
                each, reading = pending.popleft()
                if reading is None:
                    yield _item(each)
                    continue
                try:
                    yield _item(each, data=reading.result())
                except TrailwardenError as error:
                    yield _item(each, failure=str(error))
                ahead -= each.size
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def _item(each: RecordObject, *, data: bytes | None = None, failure: str | None = None) -> Item:
    return Item(
        uri=each.uri, version=each.version, source=each.source, location=each.location, size=each.size,
        path=each.path if isinstance(each, LocalFile) else None, data=data, failure=failure,
    )  # fmt: skip


def batches(objects: Sequence[RecordObject], workers: int) -> Iterator[list[Item]]:
    """Items in batches for one worker each, small enough that all workers end at about the same time."""

    def weight(each: RecordObject | Item) -> float:
        return each.size if each.uri.endswith(".gz") else each.size / INFLATION

    enough = min(max(sum(map(weight, objects)) / (6 * workers), BATCH_LEAST), BATCH_MOST)
    batch: list[Item] = []
    fill = 0.0
    for item in items(objects):
        batch.append(item)
        fill += weight(item)
        if fill >= enough:
            yield batch
            batch, fill = [], 0.0
    if batch:
        yield batch


class Pool:
    """Worker processes of one ingest.

    ``ask`` says which events of a portion are new; portions are handed to ``commit`` in the order in which
    they were asked about, each only after all before it, so that what is committed never leans on what is not.
    """

    def __init__(
        self,
        root: Path,
        now: datetime,
        *,
        ask: Callable[[Sequence[tuple[date, int]], bytes], bytes | None],
        commit: Callable[[Landed], None],
    ) -> None:
        self._root, self._now = root, now
        self._ask, self._commit = ask, commit
        self._pipes: dict[Connection, subprocess.Popen[bytes]] = {}
        self._incoming = msgspec.msgpack.Decoder(FromWorker)
        self._asked: deque[tuple[Connection, list[Landed]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe, process in self._pipes.items():
            if kind is not None:
                process.kill()
            pipe.close()
        for process in self._pipes.values():
            process.wait()

    def _start(self) -> None:
        ours, theirs = Pipe()
        handle = theirs.fileno()
        environment = os.environ | MEMORY | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", "trailwarden.lake.landing", str(handle), str(self._root)]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, pass_fds=[handle], start_new_session=True, env=environment, stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._pipes[ours] = process

    def run(self, objects: Sequence[RecordObject], workers: int) -> None:
        """Land all objects.

        Raises:
            LakeError: a worker cannot write, or died.
        """
        queue: Queue[list[Item] | BaseException | None] = Queue(maxsize=2)
        stop = Event()
        feeder = Thread(target=_feed, args=(objects, workers, queue, stop), daemon=True)
        feeder.start()
        try:
            for _ in range(workers):
                self._start()
            self._serve(queue)
        finally:
            stop.set()
            while feeder.is_alive():
                _drain(queue)
                feeder.join(0.05)

    def _serve(self, queue: "Queue[list[Item] | BaseException | None]") -> None:
        idle: set[Connection] = set()
        exhausted = False
        while True:
            while idle and not exhausted:
                try:
                    batch = queue.get_nowait()
                except Empty:
                    break
                if batch is None:
                    exhausted = True
                elif isinstance(batch, BaseException):
                    raise batch
                else:
                    self._send(idle.pop(), Work(batch, self._now))
            busy = [pipe for pipe in self._pipes if pipe not in idle]
            if not busy and exhausted:
                return  # waiting for nobody would never end
            for ready in wait(busy, timeout=0.02 if idle and not exhausted else None):
                assert isinstance(ready, Connection)
                self._receive(ready, idle)

    def _receive(self, pipe: Connection, idle: set[Connection]) -> None:
        try:
            message = self._incoming.decode(pipe.recv_bytes())
        except (EOFError, ConnectionResetError):
            code = self._pipes[pipe].wait()
            raise LakeError(
                f"a worker process ended unexpectedly (exit status {code})",
                remedy="if memory ran out, use fewer workers; then run this again: nothing is lost or doubled",
            ) from None
        if isinstance(message, Idle):
            idle.add(pipe)
        elif isinstance(message, Keys):
            self._asked.append((pipe, []))
            self._send(pipe, Keep(self._ask(message.days, message.keys)))
        elif isinstance(message, Done):
            next(landed for asker, landed in self._asked if asker is pipe and not landed).append(message.landed)
            while self._asked and self._asked[0][1]:
                self._commit(self._asked.popleft()[1][0])
        else:
            assert isinstance(message, Failed)
            raise LakeError(
                message.reason, remedy="free space or fix permissions, then run this again: nothing is lost or doubled"
            )

    @staticmethod
    def _send(pipe: Connection, message: Work | Keep) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the worker has ended; receiving from it says so
            pipe.send_bytes(msgspec.msgpack.encode(message))


def _feed(
    objects: Sequence[RecordObject], workers: int, queue: "Queue[list[Item] | BaseException | None]", stop: Event
) -> None:
    try:
        for batch in batches(objects, workers):
            queue.put(batch)
            if stop.is_set():
                return
        queue.put(None)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the queue
        queue.put(error)


def _drain(queue: "Queue[list[Item] | BaseException | None]") -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return

"""A lake on disk: its folder, its manifest, and the right to write to it.

One process writes at a time, under a lock on ``writer.lock``; readers never wait. Files that no commit names
(a writer was killed) are removed when the next writer starts.
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from ..errors import Busy, LakeError
from .manifest import Manifest, Part

#: How long a replaced part stays on disk for readers that opened it before.
GRACE = timedelta(minutes=10)
#: Folders of a compaction under way begin so.
SPILL = ".compact-"


class Lake:
    """A handle on a lake. ``root`` is its folder; threads may share a handle."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self._writing = threading.RLock()
        self._depth = 0
        self.kept: dict[str, Any] = {}  # what writers know of this lake, for the next write

    @classmethod
    def open(cls, root: Path) -> "Lake":
        """Open the lake in a folder; what is missing is created.

        Raises:
            LakeError: the folder cannot be used, or holds a lake of a newer format.
        """
        try:
            (root / "events").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(
                f"cannot use {root} for the lake: {error.strerror or error}",
                remedy="choose a folder that this user can write to",
            ) from error
        return cls(root, Manifest(root / "manifest.db"))

    def close(self) -> None:
        """Close the manifest."""
        self.manifest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def path(self, part: Part) -> Path:
        """Where a part lies."""
        return self.root / part.path

    @contextmanager
    def writing(self, now: datetime, *, sweep: bool = True) -> Iterator[None]:
        """Hold the right to write. The outermost use removes what a killed writer left, and replaced parts after GRACE.

        Raises:
            Busy: another process, or another thread of this one, is writing.
        """
        if not self._writing.acquire(blocking=False):
            raise Busy("this process is already writing to the lake", remedy="wait until it is done")
        try:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            with self._locked():
                self._depth = 1
                try:
                    if sweep:
                        self._sweep(now)
                    yield
                finally:
                    self._depth = 0
        finally:
            self._writing.release()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.root / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
                raise Busy(
                    f"another process{f' ({holder})' if holder else ''} is writing to the lake {self.root}",
                    remedy="wait until it is done, then run this again; searching goes on meanwhile",
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(handle)

    def _sweep(self, now: datetime) -> None:
        gone = {path for path, at in self.manifest.retired().items() if now - at >= GRACE}
        for path in self.unlisted() + sorted(gone):
            (self.root / path).unlink(missing_ok=True)
        for folder in self.root.glob(f"{SPILL}*"):
            shutil.rmtree(folder, ignore_errors=True)
        if gone:
            self.manifest.forget_retired(gone)

    def unlisted(self) -> list[str]:
        """Files under ``events`` that neither a commit nor a reader's grace keeps, relative to the root.

        Meaningful only while nobody writes: hold :meth:`writing`.
        """
        listed = {part.path for part in self.manifest.parts()} | self.manifest.retired().keys()
        found = (str(path.relative_to(self.root)) for path in (self.root / "events").rglob("*") if path.is_file())
        return sorted(path for path in found if path not in listed)

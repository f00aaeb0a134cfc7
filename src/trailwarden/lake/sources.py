"""What holds records: local files and folders here, objects of an S3 archive in ``aws/archive.py``."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec

from ..errors import SourceError
from ..model.finding import SourceKind

#: Files of a folder that are read; a file that is named itself is read whatever its name.
SUFFIXES = (".json", ".gz", ".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".txt")
_DAY = re.compile(r"_CloudTrail(?:-[A-Za-z]+)?_[a-z0-9-]+_(\d{4})(\d\d)(\d\d)T|/(\d{4})/(\d\d)/(\d\d)/")


class RecordObject(Protocol):
    """Something that holds records: a local file, an S3 object.

    ``uri`` and ``version`` (ETag, or size and modification time) say which content it is: the same pair is
    never read twice. ``location`` is the source as the user named it. ``size`` is in bytes, for progress;
    ``day``, if the name says one, is only a hint for the order of reading.
    """

    @property
    def uri(self) -> str:
        """Where it is: ``file:///…`` or ``s3://bucket/key``."""
        ...

    @property
    def version(self) -> str:
        """Which content: an ETag, or ``size-mtime_ns``."""
        ...

    @property
    def size(self) -> int:
        """Bytes as stored."""
        ...

    @property
    def source(self) -> SourceKind:
        """What kind of source it belongs to."""
        ...

    @property
    def location(self) -> str:
        """The source as the user named it."""
        ...

    @property
    def day(self) -> date | None:
        """The day that its name says, if it does."""
        ...

    def read(self) -> bytes:
        """The bytes as stored, gzipped or not.

        Raises:
            SourceError: it cannot be read now.
        """
        ...


class LocalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file on this machine."""

    path: str
    uri: str
    version: str
    size: int
    location: str
    day: date | None
    source: SourceKind = "files"

    def read(self) -> bytes:
        """The file's bytes."""
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise SourceError(
                f"cannot read {self.path}: {error.strerror or error}", remedy="check that the file is still there"
            ) from error


def day_in_name(name: str) -> date | None:
    """The day that a CloudTrail object's name or folder says, if it does."""
    match = _DAY.search(name)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def local_objects(path: Path) -> Iterator[LocalFile]:
    """A file, or the files of a folder and its sub-folders whose names end in SUFFIXES; hidden ones are left out.

    Raises:
        SourceError: nothing there, or nothing to read in it.
    """
    location = str(path.absolute())
    if path.is_file():
        yield _local_file(path, location)
        return
    if not path.is_dir():
        raise SourceError(f"no such file or folder: {path}", remedy="check the path")
    found = False
    for folder, folders, names in _walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            candidate = folder / name
            if not name.startswith(".") and name.lower().endswith(SUFFIXES) and candidate.is_file():
                found = True
                yield _local_file(candidate, location)
    if not found:
        raise SourceError(
            f"no log files in {path}", remedy=f"the names of log files end in {', '.join(SUFFIXES)}; name a file itself"
        )


def _walk(path: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    import os  # noqa: PLC0415

    def refuse(error: OSError) -> None:
        raise SourceError(
            f"cannot read the folder {error.filename}: {error.strerror}", remedy="check its permissions"
        ) from error

    for folder, folders, names in os.walk(path, onerror=refuse):
        yield Path(folder), folders, names


def _local_file(path: Path, location: str) -> LocalFile:
    absolute = path.absolute()
    try:
        status = absolute.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}", remedy="check the path") from error
    return LocalFile(
        path=str(absolute),
        uri=absolute.as_uri(),
        version=f"{status.st_size}-{status.st_mtime_ns}",
        size=status.st_size,
        location=location,
        day=day_in_name(str(absolute)),
    )

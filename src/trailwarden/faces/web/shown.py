"""What templates show and how: escaping, caps, times, numbers, links of static files.

Log content is an attacker's. Every expression in a template is escaped, and its control and direction characters are
written out (``\\u202e``); no template switches that off.
"""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from ...errors import SetupError
from ...model.finding import Gap
from ...model.time import format_duration, format_instant
from ..output import View, encode
from ..terminal import safe, safe_lines

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
#: The longest text of one expression; templates cut shorter with ``|cap(80)``.
_LONGEST = 20_000
#: Endings of text that is worth compressing.
_TEXT = frozenset({".css", ".js", ".svg"})
_WORD = re.compile(r"[a-z]+(?:[ ,]|$)")
_YEAR = "public, max-age=31536000, immutable"


class StaticFile(msgspec.Struct, frozen=True):
    """A file of the console: its type, its bytes, and the same compressed where that is shorter."""

    type: str
    plain: bytes
    packed: bytes | None


class Statics:
    """All static files in memory. Their common digest stands in every link, so that they are cached for good."""

    def __init__(self, root: Path = STATIC) -> None:
        if not (root / "vendor").is_dir():
            raise SetupError(
                "the console's scripts, styles and fonts are not there", remedy="run make assets (needs npm)"
            )
        self.files: dict[str, StaticFile] = {}
        digest = hashlib.sha256()
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            name, plain = path.relative_to(root).as_posix(), path.read_bytes()
            digest.update(name.encode() + b"\0" + plain)
            kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(name)[0] or "text/plain"
            packed = gzip.compress(plain, 9, mtime=0) if path.suffix in _TEXT else None
            self.files[name] = StaticFile(kind, plain, packed)
        self.digest = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The link of a file, such as ``css/app.css``. One that is not there is a mistake in a template."""
        file, _, part = name.partition("#")
        if file not in self.files or (part and f'id="{part}"'.encode() not in self.files[file].plain):
            raise SetupError(f"there is no static file {name!r}", remedy="run make assets, or correct the name")
        return f"/static/{self.digest}/{name}"

    def response(self, request: Request, digest: str, name: str) -> Response:
        """The file; 404 if there is none. An old digest gets the file too, but does not cache it."""
        file = self.files.get(name)
        if file is None:
            return Response("There is no such file.", 404, media_type="text/plain")
        headers = {"Cache-Control": _YEAR if digest == self.digest else "no-cache", "Vary": "Accept-Encoding"}
        body = file.plain
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = file.packed, "gzip"
        charset = "; charset=utf-8" if file.type.startswith("text/") else ""
        return Response(body, headers={**headers, "Content-Type": file.type + charset})


@cache
def statics() -> Statics:
    """The static files of this process."""
    return Statics()


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    return safe(value, cap=_LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _icon(name: str, label: str = "") -> Markup:
    said = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    href = statics().url(f"vendor/icons.svg#{name}")
    return Markup('<svg class="icon" {}><use href="{}"></use></svg>').format(said, href)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def link(path: str, parameters: Mapping[str, Any] | None = None, /, **more: Any) -> str:
    """A path with its query; None and empty values are left out, several values are repeated."""
    given = {**(parameters or {}), **more}
    kept = [(name, value) for name, value in given.items() if value not in (None, "", (), [])]
    query = urlencode([(name, _text(each)) for name, value in kept for each in _several(value)])
    return f"{path}?{query}" if query else path


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _text(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)


def _pretty(value: Any) -> str:
    """JSON over several lines, each of which is safe to show."""
    return safe_lines(msgspec.json.format(encode(value), indent=2).decode())


def _lines(text: str) -> Markup:
    """Text whose line breaks stay, for ``pre`` and the like."""
    return escape(safe_lines(text))


def _alike(gaps: Sequence[Gap]) -> list[tuple[Gap, list[str]]]:
    """Gaps that differ only in where they are, together: the first of them, and the places."""
    groups: dict[tuple[object, ...], list[Gap]] = {}
    for gap in gaps:
        reason = gap.reason if gap.account is None else gap.reason.replace(gap.account, "")
        groups.setdefault((gap.kind, reason, gap.window, gap.remedy), []).append(gap)
    return [
        (alike[0], [" ".join(part for part in (gap.account, gap.region) if part) for gap in alike])
        for alike in groups.values()
    ]


def _sentence(text: str) -> str:
    """Text of an error as a sentence begins, unless it begins with a name such as ``sts:AssumeRole``."""
    return text[:1].upper() + text[1:] if _WORD.match(text) else text


@cache
def environment() -> Environment:
    """The templates, with what they may call."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters |= {
        "cap": lambda text, length=80: "" if text is None else safe(str(text), cap=length),
        "number": _number,
        "duration": format_duration,
        "alike": _alike,
        "json": lambda value: Markup("{}").format(encode(value).decode()),
        "raw": lambda value: Markup("{}").format(msgspec.json.format(encode(value), indent=2).decode()),
        "pretty": lambda value: escape(_pretty(value)),
        "lines": _lines,
        "sentence": _sentence,
        "service": lambda source: (source or "").removesuffix(".amazonaws.com"),
    }
    made.globals |= {"icon": _icon, "link": link, "static": lambda name: statics().url(name)}
    return made


class Shown(msgspec.Struct, frozen=True):
    """Times as the installation's zone has them; ``t`` in templates."""

    view: View

    @property
    def now(self) -> datetime:
        """The present."""
        assert self.view.now is not None
        return self.view.now

    @property
    def zone(self) -> str:
        """The zone's name."""
        return self.view.zone_name

    def full(self, instant: datetime | None) -> str:
        """``2026-11-24 03:42:38``."""
        return self.view.time(instant)

    def iso(self, instant: datetime) -> str:
        """For attributes and scripts: in UTC."""
        return format_instant(instant)

    def ago(self, instant: datetime | None) -> str:
        """``3 h ago``; ``in 2 h`` for what is to come."""
        if instant is None:
            return ""
        past = self.now - instant
        if abs(past) < timedelta(seconds=1):
            return "now"
        return f"{format_duration(past)} ago" if past > timedelta() else f"in {format_duration(-past)}"

"""A model's answer as the Ask page shows it: whether there is a model, what it does as it happens, and its sentences
with links to what they cite.

All that it says is untrusted. Links lead to pages of the console alone, and are made here from ids that were looked up.
"""

import os
import shlex
from collections.abc import Mapping
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ...access import WebSession
from ...app import App
from ...errors import Busy, SetupError
from ...model.proposal import Actor
from ...settings import AgentSettings
from ..callers import Caller
from .stream import Reported, Step

if TYPE_CHECKING:
    from ...agent.values import EvidenceKind, ModelAnswer, ToolUse

#: Questions that are with models at the same time; each takes a thread, and costs.
MOST_AT_ONCE = 4
_FREE = BoundedSemaphore(MOST_AT_ONCE)


class Cited(msgspec.Struct, frozen=True):
    """An id that a sentence cites, what it is of, and the page that shows it."""

    id: str
    kind: str
    href: str


class Told(msgspec.Struct, frozen=True):
    """A sentence with what it cites."""

    text: str
    cited: tuple[Cited, ...]
    unproven: bool


def named(settings: AgentSettings) -> str:
    """The model that may be asked here.

    Raises:
        SetupError: none is set up, or its packages are not installed.
    """
    from ...agent.models import model_named  # noqa: PLC0415

    return model_named(settings)


def offered(settings: AgentSettings) -> str:
    """The model that may be asked here; empty if there is none."""
    try:
        return named(settings)
    except SetupError:
        return ""


def asked(app: App, session: WebSession, question: str, reported: Reported, *, may_propose: bool) -> "ModelAnswer":
    """What the model answers the person; it proposes only if they may, and said so.

    Raises:
        TrailwardenError: there is no model, the question cannot be one, too many are asked, or the run was ended.
    """
    from ...agent.models import model_in_use  # noqa: PLC0415

    with reported.task("Getting the model ready"):
        model = model_in_use(app.settings.agent, environ=os.environ)
    from ...agent.run import ask_model, limits_of  # noqa: PLC0415

    if not _FREE.acquire(blocking=False):
        raise Busy(f"{MOST_AT_ONCE} questions are with the model already", remedy="ask again when one is answered")
    try:
        with reported.task("The model reads the question"):
            return ask_model(
                app,
                question,
                _caller(session, may_propose=may_propose),
                model=model,
                limits=limits_of(app.settings.agent),
                told=reported.tell,
                on_stop=reported.on_stop,
            )
    finally:
        _FREE.release()


def _caller(session: WebSession, *, may_propose: bool) -> Caller:
    person = session.person
    wanted = {"read", "propose"} if may_propose else {"read"}
    return Caller(
        actor=Actor(kind="person", name=person.login, via="console"),
        person=person.login,
        rights=frozenset(right for right in person.rights if right in wanted),
        key=person.id,
    )


def shown(answer: "ModelAnswer", *, may_propose: bool) -> dict[str, Any]:
    """An answer as templates have it. ``may_propose``: whether the run could file proposals."""
    return {
        "answer": answer,
        "sentences": [
            Told(each.text, tuple(_cited(one, answer.cited) for one in each.evidence), each.unproven)
            for each in answer.sentences
        ],
        "unproven": sum(each.unproven for each in answer.sentences),
        "uses": [(each, outcome(each)) for each in answer.tools],
        "looked": any(each.coverage is not None for each in answer.tools),
        "could_propose": may_propose,
        "command": f"trailwarden agent {shlex.quote(answer.question)}",
    }


def _cited(identifier: str, kinds: Mapping[str, "EvidenceKind"]) -> Cited:
    kind = kinds[identifier]
    return Cited(identifier, kind, f"/{kind}s/{quote(identifier, safe='')}")


def piece(told: msgspec.Struct) -> dict[str, Any]:
    """What was told of a run, as the page's script has it."""
    if isinstance(told, Step):
        return {"step": told}
    from ...agent.values import Calling, ToolUse  # noqa: PLC0415

    if isinstance(told, Calling):
        return {"calling": {"title": told.title, "words": told.words}}
    assert isinstance(told, ToolUse)
    return {"called": {"said": outcome(told), "failed": bool(told.error), "proposal": told.proposal}}


def outcome(use: "ToolUse") -> str:
    """What came of a call, in a few words."""
    if use.error:
        return use.error
    if use.proposal:
        return "Open already" if use.joined else "Filed, waits for a person"
    if use.coverage is None:
        return ""
    gaps = len(use.coverage.gaps)
    return "Complete" if not gaps else f"Incomplete: {gaps} gap{'s' if gaps > 1 else ''}"

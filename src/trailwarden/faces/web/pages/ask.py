"""Ask: a question in plain words, its answer as it comes, and what to ask next."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import Depends, Form
from starlette.responses import Response, StreamingResponse

from ....access import four_eyes_notice
from ....ask import parse_requests
from ....errors import Forbidden, NotUnderstood, SetupError, TrailwardenError, UsageError
from ....model.event import EventPage
from ....tools.ask import Answered
from ...callers import running
from .. import model_answers
from ..answers import chips, follow_ups, listings, sentences, whole
from ..routes import Here, OnPage, Pages
from ..shown import Shown
from ..stream import Reported, Work, while_read
from .search import who

T = TypeVar("T")
#: Who answers: the grammar, unless a question is for the model.
By = Literal["", "model"]
pages = Pages()
#: How many of the person's own questions are listed, and how far back in the audit chain they are looked for.
HISTORY, REACH = 12, 400
#: Events under an answer; Search has all.
_EVENTS = 12
_REFUSED, _FAILED = ("That was not understood", "warn"), ("That could not be answered", "bad")
_LINES = "application/x-ndjson"
#: What to ask, by what one wants to know.
EXAMPLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "What happened", "activity",
        (
            "Show failed calls in the last 24 hours",
            "Who created access keys this month?",
            "Show root activity this month",
            "Who changed anything in IAM in the last 7 days?",
        ),
    ),
    (
        "Who did it", "fingerprint-pattern",
        (
            "Who signed in without MFA in the last 24 hours?",
            "How do users authenticate to AWS?",
            "Which identity providers are in use?",
        ),
    ),
    (
        "What they can do", "shield-half",
        ("Which roles are over-privileged?", "Who can become administrator?", "Who can create access keys?"),
    ),
    (
        "What to look at", "siren",
        (
            "Any endpoint alerts in the last 7 days?",
            "Show denied calls in the last 24 hours",
        ),
    ),
)  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """A question as an address has it. ``follow`` continues the question before; ``draft`` is only put into the box."""

    question: str
    draft: str
    follow: bool
    by: By


def _asked(q: str = "", draft: str = "", follow: bool = False, by: By = "") -> Asked:
    return Asked(q.strip(), draft, follow, by)


@pages.get("/", right="read")
def ask(here: OnPage, asked: Annotated[Asked, Depends(_asked)], wait: bool = False) -> Response:
    """The box; with a question, its answer, which the page's script fetches unless ``wait``. What is asked to be done
    is never done by opening an address, and a model that answers one files nothing: both take a form."""
    question, follow, by = asked.question, asked.follow, asked.by
    unset = _unset(here) if by == "model" else None
    if question and by == "model" and (here.format is not None or wait):
        if unset is not None:
            raise unset
        _from_here(here)
        said = model_answers.asked(here.app, here.session, question, Reported(lambda _: None), may_propose=False)
        shown = model_answers.shown(said, may_propose=False)
        return here.answer("ask.html", said, **_frame(here, question, by=by, said=shown))
    if question and (here.format is not None or wait):
        if parse_requests(question) is not None:
            raise UsageError(
                "this asks for something to be done", remedy="open it in the console, and send it from there"
            )
        answer: Answered = here.app.ask(question, new=not follow)
        return here.answer("ask.html", answer, **_frame(here, question, follow=follow, answered=_shown(here, answer)))
    if question:
        held = by == "model" and not _is_from_here(here)
        return here.page("ask.html", **_frame(here, question, follow=follow, by=by, unset=unset, held=held))
    home = {"examples": EXAMPLES, "history": _history(here), "eyes": four_eyes_notice(_approvers(here))}
    return here.page("ask.html", **_frame(here, "", by=by, unset=unset, draft=asked.draft, **home))


@pages.get("/ask/answer", right="read")
def answer(here: OnPage, q: str, follow: bool = False, by: By = "") -> Response:
    """The answer piece by piece, a line of JSON each: how far it is, then the part of the page that shows it."""
    question = q.strip()
    if by == "model":
        _from_here(here)
    try:
        acts = parse_requests(question) is not None
    except NotUnderstood as error:
        if by != "model":
            return StreamingResponse(iter((_line(html=_refusal(here, error)),)), media_type=_LINES)
        acts = True  # the model may understand it, and takes a form as well
    if acts:
        part = here.part("parts/answer.html", "request", question, by)
        return StreamingResponse(iter((_line(html=part),)), media_type=_LINES)
    if by == "model":
        return _model_streamed(here, question, may_propose=False)

    def work(reported: Reported) -> Answered:
        answered: Answered = here.acting(reported).ask(question, new=not follow)
        return answered

    return _streamed(here, work, lambda made: here.part("parts/answer.html", "answer", _shown(here, made)))


@pages.post("/ask/propose", right="propose")
def propose(here: OnPage, q: Annotated[str, Form(max_length=4000)]) -> Response:
    """File what is asked to be done as a proposal."""
    question = q.strip()
    if parse_requests(question) is None:
        raise UsageError("this asks for nothing to be done", remedy="ask it as a question")
    filed: Answered = here.app.ask(question, new=True)
    return here.page("ask.html", **_frame(here, question, answered=_shown(here, filed)))


@pages.post("/ask/model", right="propose")
def ask_model(
    here: OnPage, q: Annotated[str, Form(max_length=4000)], stream: Annotated[bool, Form()] = False
) -> Response:
    """A question to the model, which may file proposals on what it concerns; piece by piece with ``stream``."""
    question = q.strip()
    if stream:
        return _model_streamed(here, question, may_propose=True)
    said = model_answers.asked(here.app, here.session, question, Reported(lambda _: None), may_propose=True)
    shown = model_answers.shown(said, may_propose=True)
    return here.answer("ask.html", said, **_frame(here, question, by="model", said=shown))


def _frame(here: Here, question: str, **more: Any) -> dict[str, Any]:
    """What the page has besides its answer."""
    home = {"examples": (), "history": (), "eyes": ""}
    state = {"follow": False, "by": "", "draft": "", "answered": None, "said": None, "unset": None, "held": False}
    return {"q": question, "model": model_answers.offered(here.app.settings.agent), **home, **state, **more}


def _unset(here: Here) -> SetupError | None:
    """Why no model can be asked here; None if one can."""
    try:
        model_answers.named(here.app.settings.agent)
    except SetupError as error:
        return error
    return None


def _is_from_here(here: Here) -> bool:
    """Whether this was opened from the console, or by its person: not by a page elsewhere, at the model's cost."""
    return here.request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _from_here(here: Here) -> None:
    if not _is_from_here(here):
        raise Forbidden("another page opened this question to the model", remedy="ask it in the console")


def _approvers(here: Here) -> tuple[str, ...]:
    return here.console.app.state.people.approvers()


def _model_streamed(here: Here, question: str, *, may_propose: bool) -> Response:
    def show(said: Any) -> str:
        shown = model_answers.shown(said, may_propose=may_propose)
        return here.part("parts/model_answer.html", "model_answer", shown)

    return _streamed(
        here,
        lambda told: model_answers.asked(here.acting(told), here.session, question, told, may_propose=may_propose),
        show,
    )


def _streamed(here: Here, work: Callable[[Reported], T], show: Callable[[T], str]) -> Response:
    """What ``work`` tells and then gives, a line of JSON each; it is ended if the page is left."""

    def bounded(reported: Reported) -> T:
        with running(here.console.app, here.session.person.login):
            return work(reported)

    under_way = Work(bounded)
    return StreamingResponse(while_read(_lines(here, under_way, show), under_way.stop), media_type=_LINES)


def _lines(here: Here, under_way: Work[T], show: Callable[[T], str]) -> Iterator[bytes]:
    try:
        for told in under_way:
            yield _line(**model_answers.piece(told))
        yield _line(html=show(under_way.result()))
    except TrailwardenError as error:
        yield _line(html=_refusal(here, error))


def _refusal(here: Here, error: TrailwardenError) -> str:
    suggestions = error.suggestions if isinstance(error, NotUnderstood) else ()
    heading, kind = _REFUSED if isinstance(error, NotUnderstood) else _FAILED
    return here.part("parts/said.html", "said", heading, error.message, error.remedy, suggestions, kind)


def _line(**said: Any) -> bytes:
    return msgspec.json.encode(said) + b"\n"


def _shown(here: Here, answer: Answered) -> dict[str, Any]:
    """An answer as templates have it."""
    shown = Shown(here.view)
    href, words = whole(answer)
    result = answer.result
    return {
        "answer": answer,
        "sentences": sentences(answer),
        "chips": chips(answer, shown),
        "listings": listings(result, shown),
        "events": result.events[:_EVENTS] if isinstance(result, EventPage) else (),
        "total": result.total if isinstance(result, EventPage) else None,
        "who": who,
        "whole": href,
        "whole_words": words,
        "follow_ups": follow_ups(answer),
    }


def _history(here: Here) -> list[tuple[str, By]]:
    """The person's own last questions and who answered them, as the audit chain has them."""
    mine: dict[tuple[str, By], None] = {}
    for place, entry in enumerate(here.app.state.audit.newest()):
        if place >= REACH or len(mine) >= HISTORY:
            break
        if entry.kind != "question":
            continue
        body, actor = msgspec.json.decode(entry.body), msgspec.json.decode(entry.actor)
        by: By = "model" if body.get("tool") == "agent" else ""
        whose = body.get("on_behalf_of") if by else actor.get("name")
        if body.get("tool") in ("ask", "agent") and whose == here.session.person.login:
            mine.setdefault((str(body.get("arguments", {}).get("question", "")), by))
    return [(question, by) for question, by in mine if question]

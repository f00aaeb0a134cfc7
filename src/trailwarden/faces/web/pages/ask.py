"""Ask: a question in plain words, its answer as it comes, and what to ask next."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Form
from starlette.responses import Response, StreamingResponse

from ....access import four_eyes_notice
from ....ask import parse_requests
from ....errors import NotUnderstood, TrailwardenError, UsageError
from ....model.event import EventPage
from ....progress import Progress
from ....tools.ask import Answered
from ..answers import chips, follow_ups, listings, sentences, whole
from ..routes import Here, OnPage, Pages
from ..shown import Shown
from ..stream import Work
from .search import who

pages = Pages()
#: How many of the person's own questions are listed, and how far back in the audit chain they are looked for.
HISTORY, REACH = 12, 400
#: Events under an answer; Search has all.
_EVENTS = 12
_REFUSED, _FAILED = ("That was not understood", "warn"), ("That could not be answered", "bad")
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


@pages.get("/", right="read")
def ask(here: OnPage, q: str = "", follow: bool = False, wait: bool = False) -> Response:
    """The box; with a question, its answer, which the page's script fetches unless ``wait``. ``follow`` continues the
    question before. What is asked to be done is never done by opening an address: it takes the form."""
    question = q.strip()
    if question and (here.format is not None or wait):
        if parse_requests(question) is not None:
            raise UsageError(
                "this asks for something to be done", remedy="open it in the console, and send it from there"
            )
        answer: Answered = here.app.ask(question, new=not follow)
        return here.answer("ask.html", answer, q=question, follow=follow, answered=_shown(here, answer))
    home = _home() if question else _home(EXAMPLES, _history(here), four_eyes_notice(_approvers(here)))
    return here.page("ask.html", q=question, follow=follow, answered=None, **home)


@pages.get("/ask/answer", right="read")
def answer(here: OnPage, q: str, follow: bool = False) -> Response:
    """The answer piece by piece, a line of JSON each: how far it is, then the part of the page that shows it."""
    return StreamingResponse(_pieces(here, q.strip(), follow), media_type="application/x-ndjson")


@pages.post("/ask/propose", right="propose")
def propose(here: OnPage, q: Annotated[str, Form(max_length=4000)]) -> Response:
    """File what is asked to be done as a proposal."""
    question = q.strip()
    if parse_requests(question) is None:
        raise UsageError("this asks for nothing to be done", remedy="ask it as a question")
    filed: Answered = here.app.ask(question, new=True)
    return here.page("ask.html", q=question, follow=False, answered=_shown(here, filed), **_home())


def _home(examples: Sequence[Any] = (), history: Sequence[str] = (), eyes: str = "") -> dict[str, Any]:
    return {"examples": examples, "history": history, "eyes": eyes}


def _approvers(here: Here) -> tuple[str, ...]:
    return here.console.app.state.people.approvers()


def _pieces(here: Here, question: str, follow: bool) -> Iterator[bytes]:
    try:
        if parse_requests(question) is not None:
            yield _line(html=here.part("parts/answer.html", "request", question))
            return

        def work(progress: Progress) -> Answered:
            answered: Answered = here.acting(progress).ask(question, new=not follow)
            return answered

        under_way = Work(work)
        for step in under_way:
            yield _line(step=step)
        yield _line(html=here.part("parts/answer.html", "answer", _shown(here, under_way.result())))
    except TrailwardenError as error:
        suggestions = error.suggestions if isinstance(error, NotUnderstood) else ()
        heading, kind = _REFUSED if isinstance(error, NotUnderstood) else _FAILED
        yield _line(html=here.part("parts/said.html", "said", heading, error.message, error.remedy, suggestions, kind))


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


def _history(here: Here) -> list[str]:
    """The person's own last questions, as the audit chain has them."""
    mine: dict[str, None] = {}
    for place, entry in enumerate(here.app.state.audit.newest()):
        if place >= REACH or len(mine) >= HISTORY:
            break
        if entry.kind != "question":
            continue
        body, actor = msgspec.json.decode(entry.body), msgspec.json.decode(entry.actor)
        if body.get("tool") == "ask" and actor.get("name") == here.session.person.login:
            mine.setdefault(str(body.get("arguments", {}).get("question", "")))
    return [question for question in mine if question]

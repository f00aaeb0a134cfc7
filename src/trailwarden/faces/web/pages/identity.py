"""Identity: a person's users, sessions, addresses and keys, and the names that were said to be theirs."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Form
from starlette.responses import Response

from ....identity import Person
from ....model.directory import Alias
from ....model.session import Session
from ....tools.identity import IdentityReport, PersonSession
from ....tools.search import Live
from ....tools.sessions_list import SessionPage
from ..pictures import timeline, ways
from ..routes import Here, OnPage, Pages
from ..shown import link
from .sessions import account_chips, person_of, spans, window_asked, words
from .settings import confirm_first

pages = Pages()
#: Sessions on the page, and in a file.
SHOWN, WRITTEN = 200, 10_000
#: Sessions in which people are looked for where nobody is asked for, and how many people are offered.
_LATELY, _OFFERED = 400, 24
#: Steps of a chain that are people.
PEOPLE_KINDS = frozenset({"identity_center_user", "saml_user", "iam_user", "root", "federated_user"})
Text = Annotated[str, Form(max_length=2000)]


class Seen(msgspec.Struct, frozen=True):
    """Something that a person's sessions used, in how many of them, and whether it is a long-lived key."""

    value: str
    sessions: int
    long_lived: bool = False


@pages.get("/identity", right="read")
def identity(here: OnPage, who: str = "", refresh: bool = False, live: Live = "never") -> Response:
    """The person, or whom to ask for."""
    if not who.strip():
        return _nobody(here)
    query = window_asked(here)
    report: IdentityReport = here.app.identity(
        who,
        account=query.where.account,
        window=query.window,
        limit=SHOWN if here.format is None else WRITTEN,
        refresh=refresh,
        live=live,
    )
    known = words(here)
    return here.answer(
        "identity.html",
        report,
        name="identity",
        who=who.strip(),
        asked=query,
        picture=timeline(report.sessions, query.window, here.view.zone),
        ways=ways(report.person, report.sessions, known["labels"]),
        addresses=_addresses(report.sessions),
        keys=_keys(report.sessions),
        calls=sum(each.events for each in report.sessions),
        errors=sum(each.errors for each in report.sessions),
        accounts=len({each.account for each in report.sessions if each.account}),
        keeper=keeper_of(report.person),
        aliases=_aliases(here, report.person),
        chips=account_chips("/identity", query, who=who),
        **known,
        **spans(here),
    )


@pages.post("/identity/aliases/add", right="administer")
def add(
    here: OnPage, *, person: Text, name: Text, kind: Text, reason: Text, who: Text, account: Text = "", deny: Text = ""
) -> Response:
    """Say that a name is a person's, or that it is not."""
    if (first := confirm_first(here, link("/identity", who=who))) is not None:
        return first
    here.app.identity_alias_add(
        person, name, kind=kind, account=account.strip() or None, deny=bool(deny), reason=reason
    )  # the store refuses what is no kind
    return here.go(link("/identity", who=who))


@pages.post("/identity/aliases/remove", right="administer")
def remove(here: OnPage, *, person: Text, name: Text, kind: Text, who: Text, account: Text = "") -> Response:
    """Take a name off the list."""
    if (first := confirm_first(here, link("/identity", who=who))) is not None:
        return first
    here.app.identity_alias_remove(person, name, kind=kind, account=account.strip() or None)
    return here.go(link("/identity", who=who))


def keeper_of(person: Person) -> str:
    """Under which name the alias list has a person: their email if one is known, else as they were asked for."""
    emails = [each.value for each in person.names if each.kind == "email"]
    emails += [each.value for one in person.identities for each in one.aliases if each.kind == "email"]
    asked = person.asked.casefold()
    return next((each for each in emails if each.casefold() == asked), emails[0] if emails else person.asked)


def _aliases(here: Here, person: Person) -> tuple[Alias, ...]:
    """What the list says of the person, under whichever of their names."""
    own = {each.value.casefold() for each in person.names} | {person.asked.casefold(), keeper_of(person).casefold()}
    return tuple(each for each in here.app.identity_alias_list().aliases if each.person.casefold() in own)


def _nobody(here: Here) -> Response:
    page: SessionPage = here.app.sessions_list(limit=_LATELY, live="never")
    roots = [(each.root, each) for each in page.sessions if each.root is not None and each.root.kind in PEOPLE_KINDS]
    names = {root.arn: root.name for root, _ in roots if root.arn and root.name}
    people: dict[str, Session] = {}
    for root, each in roots:
        if root.name or root.arn:
            people.setdefault(names.get(root.arn or "") or person_of(each), each)
    offered = list(people.items())[:_OFFERED]
    return here.answer("identity_ask.html", page, name="sessions", people=offered, **words(here))


def _addresses(sessions: Sequence[PersonSession]) -> list[Seen]:
    counted = Counter(address for each in sessions for address in each.source_ips)
    return [Seen(value, count) for value, count in counted.most_common()]


def _keys(sessions: Sequence[PersonSession]) -> list[Seen]:
    """Long-lived keys first."""
    counted = Counter(key for each in sessions for key in each.access_keys)
    seen = [Seen(value, count, value.startswith("AKIA")) for value, count in counted.items()]
    return sorted(seen, key=lambda each: (not each.long_lived, -each.sessions))

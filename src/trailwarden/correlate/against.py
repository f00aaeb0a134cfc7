"""What speaks against a match: every sentence rests on a field of the alert, the host, or the session."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from ..identity import fold
from ..model.session import KIND_WORDS, ChainKind, Session
from .grounds import Grounds, Hit
from .names import Name
from .subject import Subject, UserTerm
from .values import AddressPopularity, several_people

#: A session that began so long before the alert was there for other reasons too.
LONG_BEFORE = timedelta(hours=24)
LONG_AFTER = timedelta(hours=12)
MOST_NAMESAKES = 3
_BY_ALIAS = frozenset({"alias", "login"})
#: Roots that a proven chain tells apart from anybody else.
_ROOTS: frozenset[ChainKind] = frozenset(
    {
        "identity_center_user",
        "saml_user",
        "web_identity",
        "iam_user",
        "root",
        "ec2_instance",
        "lambda_function",
        "kubernetes_service_account",
    }
)


class Known(msgspec.Struct, frozen=True):
    """What all sessions together tell: the full names that share a local part, and the use of addresses."""

    namesakes: Mapping[str, Collection[str]]
    address_use: Mapping[str, AddressPopularity]


def against(subject: Subject, session: Session, grounds: Grounds, known: Known) -> tuple[str, ...]:
    """What speaks against a match, each once."""
    return tuple(dict.fromkeys(_sentences(subject, session, grounds, known)))


def _sentences(subject: Subject, session: Session, grounds: Grounds, known: Known) -> Iterator[str]:
    for hit in grounds.hits:
        if hit.term.note:
            yield hit.term.note
        if hit.address is not None:
            yield from _of_address(hit.address, known)
        elif hit.name is not None:
            yield from _of_name(hit, hit.name, known)
        if hit.kind == "instance_id_without_account":
            yield f"Falcon does not say in which account {hit.term.value} runs"
    if grounds.source is not None and session.chain and session.chain[0].link == "claimed":
        yield f"the records do not prove that session {grounds.source} issued this one"
    yield from _other_person(subject, session, grounds)
    if subject.account is not None and session.account not in {None, subject.account}:
        yield f"the host runs in account {subject.account}, the session is of {session.account}"
    yield from _of_time(subject.time, session)


def _of_address(address: str, known: Known) -> Iterator[str]:
    use = known.address_use.get(address)
    if use is None:
        yield f"how many others use {address} is not known"
    elif not use.exclusive:
        users = f"{_many(use.people, 'person', 'people')} and {_many(use.workloads, 'workload')}"
        yield f"{address} is shared: {users} used it"


def _of_name(hit: Hit, name: Name, known: Known) -> Iterator[str]:
    shown = hit.evidence.value
    if name.strength == "claimed":
        yield f"{shown} is a name that the session's caller could choose: the records do not prove it"
    if hit.user is None:
        return
    people = several_people(hit.user.known)
    if people and hit.kind in _BY_ALIAS:
        yield f"the alias list gives {hit.user.name} to several people: {', '.join(people)}"
    if hit.kind != "bare_name":
        return
    yield from _other_domain(hit.user, name, shown)
    others = [each for each in sorted(known.namesakes.get(name.local or "", ())) if each != name.folded]
    if others:
        listed = ", ".join(others[:MOST_NAMESAKES])
        more = f" and {len(others) - MOST_NAMESAKES} more" if len(others) > MOST_NAMESAKES else ""
        yield f"others of the same name are in the records: {listed}{more}"


def _other_domain(user: UserTerm, name: Name, shown: str) -> Iterator[str]:
    """Whether the alert's user belongs to another domain than the session's."""
    domain = name.folded.partition("@")[2]
    own = (user.email or "").partition("@")[2]
    if own and domain and own != domain:
        yield f"the domain of {user.term.value} is not that of {shown}"
    elif not own and domain and user.domain and not _same_domain(user.domain, domain):
        yield f"{user.name} is of the logon domain {user.domain}, which is not that of {shown}"
    else:
        yield f"only the name before the @ is the same: {user.term.value}, and {shown}"


def _same_domain(logon: str, domain: str) -> bool:
    """Whether a logon domain (``COMPANY``, ``corp.company.com``) can be that of an address (``company.com``)."""
    plain = logon.strip().casefold()
    return plain == domain or plain.endswith(f".{domain}") or plain in domain.split(".")[:-1]


def _other_person(subject: Subject, session: Session, grounds: Grounds) -> Iterator[str]:
    """Who is proven to stand behind the session, if the alert does not name them."""
    root = session.root
    if root is None or root.kind not in _ROOTS or any(step.link != "proven" for step in session.chain):
        return
    names = {fold("email", text) for text in (root.name, (root.arn or "").rsplit("/", 1)[-1]) if text}
    found = [hit.name for hit in grounds.hits if hit.name is not None]
    own = {name.folded for name in found}
    meant = {text for user in subject.users for text in (user.email, *_known(user)) if text}
    instance = {fold("email", subject.instance.value)} if subject.instance is not None else set()
    if names & (own | meant | instance) or (root.arn or "") in meant:
        return
    if len(session.chain) == 1 and any(name.strength == "proven" and not name.hops for name in found):
        return  # the step says of the session's own user what the name says too
    if not subject.users and not (subject.instance is not None and root.kind == "ec2_instance"):
        return  # the alert names nobody who could be another
    who = root.name or root.arn or root.kind
    yield f"the records prove that {who} ({KIND_WORDS[root.kind]}) stands behind the session"


def _known(user: UserTerm) -> Iterator[str]:
    for each in user.known:
        if not each.denies:
            yield each.value
            yield fold("email", each.value)


def _of_time(alert: datetime, session: Session) -> Iterator[str]:
    if session.last_seen < alert:
        yield f"the session was last seen {_span(alert - session.last_seen)} before the alert"
    elif session.first_seen > alert + LONG_AFTER:
        yield f"the session began {_span(session.first_seen - alert)} after the alert"
    if alert - session.first_seen > LONG_BEFORE:
        yield f"the session began {_span(alert - session.first_seen)} before the alert"


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return _many(minutes, "minute")
    return _many(minutes // 60, "hour") if minutes < 48 * 60 else _many(minutes // 1440, "day")


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"

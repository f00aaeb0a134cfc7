"""Which tool answers a question, once its conditions are known.

What happened is a search of events; whose credentials did it is a question to the sessions, who a person is to the
identity map, and how people sign in to the authentication model. A question whose words name sessions goes to them
or is refused; one that could be asked of either ("who used role X") goes to the sessions only if they can answer all
of it, and is a search otherwise ("who used role X to delete anything").
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import NotUnderstood
from .command import TIMED_TOOLS
from .meanings import CONSOLE_METHODS, METHODS_OF_CALLERS, SIGN_INS, Focus, joined, not_a_word

if TYPE_CHECKING:
    from .draft import Draft
    from .grammar import Piece

#: The conditions that sessions can be chosen by.
SESSION_FIELDS = ("user", "role", "access_key", "ip", "account", "region")
#: What can be told of sessions.
SESSION_FOCI: frozenset[Focus] = frozenset(
    (
        "events", "exists", "count", "who", "when_last", "where_from", "regions", "accounts", "keys", "roles", "agents",
        "no_mfa",
    )
)  # fmt: skip
#: Conditions that are asked of the records of an assumption, and are not those of the session that it began.
_ASSUMED_FIELDS = {"event", "resource", "account"}
_INSTEAD = "ask what they did, such as 'What did jane do today', or leave it out"


def route(draft: "Draft") -> None:
    """Choose the tool, and turn the conditions into its own.

    Raises:
        NotUnderstood: the tool that the words name cannot answer all of the question.
    """
    marks = draft.marks
    if "rights" in marks:
        _rights(draft)
    elif "endpoints" in marks:
        _endpoints(draft)
    elif _asks_what_changed(draft):
        draft.tool, draft.focus = "iam_changes", "all"
        del draft.fields["source"]
        draft.switches.clear()
    elif "no_mfa" in marks:
        _without_mfa(draft)
    elif marks & {"auth", "habit"}:
        _auth_model(draft)
    elif "holder" in marks:
        _holder(draft, strict=True)
    elif "behind" in marks or "using" in marks:
        _holder(draft, strict=False)
    elif marks & {"access", "belong", "sessions", "method"} or (draft.method and draft.sign_in):
        _sessions(draft)
    elif draft.method:
        raise NotUnderstood(
            "calls cannot be chosen by how their credentials came to be", remedy="ask for the sessions instead of calls"
        )
    elif draft.focus == "who" and marks & {"used", "assumed"}:
        _used(draft)
    elif _asks_for_identities(draft) and _plain(draft) and set(draft.fields) <= {"user", "account"}:
        _identity_if_one(draft)


def _rights(draft: "Draft") -> None:
    """What may be done is asked of accounts only, and of now, unless it is asked what changed."""
    if odd := set(draft.fields) - {"account"}:
        raise NotUnderstood(f"what roles may do cannot be asked by {_named(odd)}", remedy="ask it of accounts only")
    if draft.tool not in TIMED_TOOLS and (draft.times or draft.shift):
        raise NotUnderstood(
            "what roles and users may do is known as of now, and takes no time",
            remedy="leave the time out, or ask: What changed in IAM since yesterday?",
        )


def _endpoints(draft: "Draft") -> None:
    """Alerts are those of one host, or of users; one alert and one session take no time."""
    if draft.tool in {"correlate_alert", "correlate_session"} and (draft.times or draft.host or draft.fields):
        raise NotUnderstood(
            f"{draft.alert or draft.session!r} is one: no host, user or time can be added",
            remedy="ask for it alone, or for the alerts of a host, a user or a time",
        )
    if draft.host and draft.fields:
        raise NotUnderstood("a host and a user cannot be asked for at once", remedy="ask for one of the two")
    if draft.fields.get("account"):
        raise NotUnderstood("alerts cannot be chosen by account", remedy="leave it out")


def _asks_what_changed(draft: "Draft") -> bool:
    """``What changed in IAM`` is asked of its snapshots; who changed something, of the calls."""
    return (
        "what changed" in draft.marks
        and set(draft.fields) - {"account"} == {"source"}
        and draft.fields["source"] == [("iam.amazonaws.com",)]
        and draft.switches == {"read_only": False}
        and draft.focus == "events"
        and not (draft.also or draft.excluded or draft.limit or draft.newest_first is not None)
    )


def _asks_for_identities(draft: "Draft") -> bool:
    """Which roles somebody used; whose identities there are."""
    return (draft.focus == "roles" and "roles used" in draft.marks) or (
        draft.focus == "who" and "identities" in draft.marks
    )


def _auth_model(draft: "Draft") -> None:
    if misplaced := set(draft.fields) - {"account"} or draft.switches or draft.excluded:
        raise NotUnderstood(
            f"how people authenticate cannot be asked by {_named(misplaced)}",
            remedy="ask it of accounts and times only, or ask which sessions there were",
        )
    draft.tool, draft.focus, draft.also = "auth_model", None, []


def _holder(draft: "Draft", *, strict: bool) -> None:
    """Who holds one key or session: the session itself, or the sessions of that time."""
    fits, plain = _fits(draft), not (draft.times or draft.shift or draft.limit)
    if not strict and not fits:
        return
    if (holder := draft.holder) and plain and len(draft.fields) <= 1 and not draft.also:
        (value,) = holder.value.values
        if "*" not in value:
            draft.tool, draft.session, draft.focus = "sessions_show", value, None
            return
    if holder and holder.type in {"SESSION_ID", "PRINCIPAL_ID"}:
        raise NotUnderstood(
            f"{holder.text!r} is one session: no condition can be added", remedy=f"ask 'Whose session is {holder.text}'"
        )
    if strict and not set(draft.fields) - {"account", "region"}:
        raise NotUnderstood("whose is not said", remedy="name a key, a session or a user")
    _sessions(draft)


def _sessions(draft: "Draft") -> None:
    """The sessions that the conditions choose; those of one person are asked of the identity map."""
    _rename(draft)
    if draft.sign_in and draft.method and draft.focus in {None, "who"} and draft.fields.get("event") == [SIGN_INS]:
        del draft.fields["event"]
    if draft.excluded:
        raise NotUnderstood(
            f"no {_named(draft.excluded)} can be left out of sessions", remedy="ask for those that are meant"
        )
    if odd := set(draft.fields) - set(SESSION_FIELDS) or set(draft.switches):
        raise NotUnderstood(f"sessions cannot be chosen by {_named(odd)}", remedy=_INSTEAD)
    if draft.newest_first is False:
        raise NotUnderstood("sessions are shown newest first only", remedy="leave the order out, or give a time")
    if odd_focus := [focus for focus in (draft.focus or "events", *draft.also) if focus not in SESSION_FOCI]:
        raise NotUnderstood(f"{odd_focus[0].replace('_', ' ')} are not told of sessions", remedy=_INSTEAD)
    draft.tool = "sessions_list"
    if draft.marks & {"access", "belong", "sessions"} and not draft.method and set(draft.fields) <= {"user", "account"}:
        _identity_if_one(draft)


def _identity_if_one(draft: "Draft") -> None:
    """A name that may be several people's stays a list of names: whose is whose is not guessed."""
    groups = draft.fields.get("user", [])
    if len(groups) != 1 or not draft.people or draft.limit is not None:
        return
    (names,) = groups
    if len(names) == 1 and "*" not in names[0]:
        draft.tool = "identity"
    elif draft.tool == "search":
        draft.tool = "sessions_list"


def _without_mfa(draft: "Draft") -> None:
    """MFA is told of console sign-ins only; of others it is asked elsewhere, and the records do not tell."""
    assert draft.mfa is not None
    who = draft.sign_in and draft.focus == "who" and not draft.console
    if not who and not (draft.focus is None and "sessions" in draft.marks):
        raise not_a_word(draft.mfa)
    if who:
        draft.fields.pop("event")
    _sessions(draft)
    draft.method = draft.method or list(CONSOLE_METHODS)
    if set(draft.method) - set(CONSOLE_METHODS):
        raise not_a_word(draft.mfa)
    draft.tool, draft.focus = "sessions_list", "no_mfa"


def _used(draft: "Draft") -> None:
    """Who used or assumed a role, who used root: those who stand behind its sessions."""
    if "assumed" in draft.marks:
        if draft.assumed is None or set(draft.fields) - _ASSUMED_FIELDS or not _plain(draft):
            return
        draft.fields = {"role": [draft.assumed], **{k: v for k, v in draft.fields.items() if k == "account"}}
        draft.roles.extend(draft.assumed)
    elif not _fits(draft):
        return
    _sessions(draft)


def _fits(draft: "Draft") -> bool:
    """Whether all that is asked can be asked of sessions."""
    fields = set(draft.fields) - {"session", "arn", "principal_type"}
    types = {value for group in draft.fields.get("principal_type", ()) for value in group}
    return _plain(draft) and fields <= set(SESSION_FIELDS) and types <= set(METHODS_OF_CALLERS)


def _plain(draft: "Draft") -> bool:
    asked = {draft.focus or "events", *draft.also}
    return not draft.switches and not draft.excluded and draft.newest_first is None and asked <= SESSION_FOCI


def _rename(draft: "Draft") -> None:
    """Conditions that sessions know under another name."""
    for group in draft.fields.pop("session", ()):
        draft.add("user", group)
    for group in draft.fields.pop("arn", ()):
        for arn in group:
            role, _, session = arn.partition(":assumed-role/")[2].partition("/")
            if role:
                draft.add("role", (role,))
            draft.add("user", (session or arn,))
    if draft.console:
        draft.console = False
        draft.method.append("iam_user_console")
    for group in draft.fields.pop("principal_type", ()):
        for kind in group:
            if kind not in METHODS_OF_CALLERS:
                raise NotUnderstood(f"sessions cannot be chosen by {kind}", remedy=_INSTEAD)
            draft.method.extend(METHODS_OF_CALLERS[kind])


def _named(fields: Iterable[str]) -> str:
    return " and ".join(sorted(field.replace("_", " ") for field in fields))


def holder_of(pieces: "list[Piece]") -> "Piece | None":
    """The one key or session that is named."""
    named = joined(pieces)
    if len(named) != 1 or named[0].type not in {"KEY", "SESSION_ID", "PRINCIPAL_ID", "ARN", "SESSION"}:
        return None
    (one,) = named
    if len(one.value.values) != 1 or (one.type == "ARN" and ":assumed-role/" not in one.value.values[0]):
        return None
    return one

"""One entry a method."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ..model.session import AuthMethod, ChainKind, Session
from .roots import Roots
from .seen import event_ids
from .values import MethodUse, MfaShare, ProviderUse

MOST_EXAMPLES = 5
MOST_NAMED = 10
#: Where a recorded "no MFA" means that there was none. An identity provider asks for MFA itself: AWS records No.
MFA_TOLD: frozenset[AuthMethod] = frozenset({"iam_user_console", "session_token", "root"})
_MFA_TOLD_BEHIND: frozenset[ChainKind] = frozenset({"iam_user", "root"})


def method_use(method: AuthMethod, sessions: Sequence[Session], roots: Roots) -> MethodUse:
    """What the sessions of one method (at least one) come to."""
    people: Counter[str] = Counter()
    workloads: Counter[str] = Counter()
    labels: dict[str, str] = {}
    unattributed, perhaps = 0, []
    for session in sessions:
        found = roots.of(session)
        if not found:
            unattributed += 1
        elif len(found) > 1:
            perhaps.append((session, found))
        else:
            (people if found[0].person else workloads)[found[0].key] += session.events
            labels[found[0].key] = min(found[0].label, labels.get(found[0].key, found[0].label))
    for session, found in perhaps:
        # A name that several users have: one of them is counted already, or else the first stands for all.
        counted = [each for each in found if each.key in people] or [found[0]]
        people[counted[0].key] += session.events
        labels.setdefault(counted[0].key, counted[0].label)
    return MethodUse(
        method=method,
        people=len(people),
        people_sample=_sample(people, labels),
        workloads=len(workloads),
        workloads_sample=_sample(workloads, labels),
        unattributed=unattributed,
        sessions=len(sessions),
        events=sum(session.events for session in sessions),
        errors=sum(session.errors for session in sessions),
        accounts=_distinct(account for each in sessions for account in _accounts(each)),
        regions=_distinct(region for each in sessions for region in each.regions),
        providers=_providers(sessions),
        first_seen=min(session.first_seen for session in sessions),
        last_seen=max(session.last_seen for session in sessions),
        mfa=_mfa(sessions),
        examples=_examples(sessions),
    )


def _sample(counts: Counter[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The busiest, by name."""
    busiest = sorted(counts, key=lambda key: (-counts[key], labels[key]))
    return tuple(labels[key] for key in busiest[:MOST_NAMED])


def _accounts(session: Session) -> tuple[str, ...]:
    return (session.account,) if session.account else session.recorded_in


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _providers(sessions: Sequence[Session]) -> tuple[ProviderUse, ...]:
    grouped: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in sessions:
        for provider in (session.saml, session.web_identity):
            if provider is not None and (provider.name or provider.arn):
                grouped[provider.name, provider.arn or ""].append(session)
    return tuple(
        ProviderUse(name=name, arn=arn or None, sessions=len(own), last_seen=max(each.last_seen for each in own))
        for (name, arn), own in sorted(grouped.items())
    )


def _mfa(sessions: Sequence[Session]) -> MfaShare:
    told = [
        session.mfa for session in sessions if session.mfa is True or (session.mfa is False and _tells_mfa(session))
    ]
    return MfaShare(known=len(told), with_mfa=sum(1 for each in told if each))


def _tells_mfa(session: Session) -> bool:
    behind = session.chain[-1].kind if session.chain else None
    return session.method in MFA_TOLD or (
        session.method in {"role_chain", "cross_account"} and behind in _MFA_TOLD_BEHIND
    )


def _examples(sessions: Sequence[Session]) -> tuple[str, ...]:
    """Event ids of the latest sessions, each of another one."""
    latest = sorted(sessions, key=lambda each: (each.last_seen, each.session_id), reverse=True)
    firsts = (next(iter(event_ids(session)), None) for session in latest)
    return tuple(dict.fromkeys(each for each in firsts if each))[:MOST_EXAMPLES]

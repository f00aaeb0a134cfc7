"""Which addresses can tie a host to a session, and how many used each of them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping

from ..identity import fold, is_workload_subject
from ..model.address import public_address
from ..model.session import AuthMethod, ChainKind, Session
from .values import AddressPopularity, People, PersonName, known_names, several_people

__all__ = ["is_workload", "popularity", "public_address"]

_WORKLOAD_METHODS: frozenset[AuthMethod] = frozenset(
    {"instance_profile", "lambda", "aws_service", "irsa", "pod_identity"}
)
_WORKLOAD_ROOTS: frozenset[ChainKind] = frozenset(
    {"ec2_instance", "lambda_function", "kubernetes_service_account", "aws_service"}
)
#: Kinds of identifiers that name whoever has the session, and are the same wherever they stand.
_TELLING = frozenset({"email", "identity_center_user", "iam_user", "saml_subject", "oidc_subject"})


def popularity(sessions: Iterable[Session], people: People | None = None) -> Mapping[str, AddressPopularity]:
    """How many distinct people and workloads used each public address in these sessions.

    Identifiers that stand in one session, proven, are one person's, and so are names that the alias list gives to one.
    Who is known by nothing but a name that a caller chose counts as somebody else: an address rather seems shared.
    """
    ties = _Ties()
    used: dict[str, set[tuple[bool, Hashable]]] = {}
    for session in sessions:
        addresses = {address for text in session.source_ips if (address := public_address(text)) is not None}
        if not addresses:
            continue
        workload = is_workload(session)
        user = _workload(session) if workload else _person(session, ties, people or {})
        for address in addresses:
            used.setdefault(address, set()).add((workload, user))
    return {address: _counted(address, users, ties) for address, users in used.items()}


def is_workload(session: Session) -> bool:
    """Whether a program stands behind the session: an instance, a function, a service account, a pipeline."""
    root = session.root
    if session.method in _WORKLOAD_METHODS or (root is not None and root.kind in _WORKLOAD_ROOTS):
        return True
    return root is not None and root.kind == "web_identity" and is_workload_subject(root.name or "")


def _counted(address: str, users: set[tuple[bool, Hashable]], ties: "_Ties") -> AddressPopularity:
    persons = {ties.first(user) for workload, user in users if not workload}
    return AddressPopularity(address, people=len(persons), workloads=sum(workload for workload, _ in users))


def _workload(session: Session) -> Hashable:
    root = session.root
    named = root.name or root.arn if root is not None else None
    return (session.account, named or session.session_name or session.principal_id)


def _person(session: Session, ties: "_Ties", people: People) -> Hashable:
    keys = list(dict.fromkeys(_keys(session)))
    names = dict.fromkeys([name for _, name in keys] + ([session.user_name] if session.user_name else []))
    for name in names:
        keys += [("name", fold("email", each.value)) for each in _tied(people, name, session.account)]
    for other in keys[1:]:
        ties.tie(keys[0], other)
    return keys[0]


def _tied(people: People, name: str, account: str | None) -> Iterator[PersonName]:
    """Other names of one person: none where a name is several people's, or is nobody's in this account."""
    known = known_names(people, name)
    here = [each for each in known if not each.denies and each.account in {None, account}]
    same = [each for each in known if fold("email", each.value) == fold("email", name)]
    if several_people(here) or (same and not any(each in here for each in same)):
        return
    yield from (each for each in here if not several_people(known_names(people, each.value)))


def _keys(session: Session) -> Iterator[tuple[str, str]]:
    """What tells one person from another; at least one. A name that callers may share stands in only for nothing."""
    found = [
        fold(each.kind, each.value)
        for each in session.identifiers
        if each.strength == "proven"
        and each.kind in _TELLING
        and "sourceidentity" not in each.evidence.field.casefold()
    ]
    if session.on_behalf_of is not None:
        found.append(session.on_behalf_of.user_id)
    root = session.root
    if root is not None and root.kind in {"iam_user", "root"}:
        found.append(root.arn or f"{root.account}:{root.name}")
    elif root is not None and root.kind not in {"role_session", "unknown"} and (root.name or root.arn):
        found.append(fold("email", root.name or (root.arn or "").rsplit("/", 1)[-1]))
    yield from (("name", each) for each in found)
    if not found:
        yield ("principal", session.principal_arn or session.principal_id or session.session_id)


class _Ties:
    """Keys that mean the same one, as a forest: ``first`` gives the one that stands for all of them."""

    def __init__(self) -> None:
        self._up: dict[Hashable, Hashable] = {}

    def first(self, key: Hashable) -> Hashable:
        while (up := self._up.get(key, key)) != key:
            self._up[key] = self._up.get(up, up)
            key = up
        return key

    def tie(self, one: Hashable, other: Hashable) -> None:
        first, second = self.first(one), self.first(other)
        if first != second:
            self._up[second] = first

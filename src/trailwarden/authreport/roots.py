"""Who or what stands behind a session: people told from workloads, each counted once."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..identity import addresses, fold, is_workload_subject, only_claimed
from ..model.directory import Directory, IamUser
from ..model.session import ChainStep, Session
from .seen import permission_set_of

_USER_ARN = re.compile(r"arn:[^:]+:identitystore:::user/(.+)")
_ASSUMED_ROLE = re.compile(r"arn:[^:]+:sts::\d{12}:assumed-role/([^/]+)/")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class _Root(NamedTuple):
    """Who or what a session leads to."""

    person: bool
    key: str
    label: str


class Roots:
    """Tells people from workloads, and counts a person once, by whichever name a session has."""

    def __init__(self, sessions: Sequence[Session], directory: Directory) -> None:
        self.ids_of_name: dict[str, set[str]] = defaultdict(set)
        self.label_of_id: dict[str, str] = {}
        for session in sessions:
            if session.on_behalf_of and session.session_name and permission_set_of(session):
                self.ids_of_name[session.session_name.casefold()].add(session.on_behalf_of.user_id)
                self.label_of_id.setdefault(session.on_behalf_of.user_id, session.session_name)
        for user in directory.people:
            for name in (user.user_name, *user.emails):
                self.ids_of_name[name.casefold()].add(user.user_id)
            self.label_of_id[user.user_id] = user.emails[0] if user.emails else user.user_name
        users = (user for account in directory.accounts for user in account.iam_users)
        self.programs = {user.arn for user in users if _is_program(user)}

    def of(self, session: Session) -> tuple[_Root, ...]:
        """The one root of a session; none if the records do not lead to one. Several: one of these people.

        A person needs proof: a name that somebody typed at a sign-in, or chose for a session, makes none.
        """
        if session.on_behalf_of is not None:
            return (self._by_id(session.on_behalf_of.user_id),)
        if not session.chain:
            return ()
        root = session.chain[-1]
        found = self._at(session, root)
        typed = fold("session_name", root.name or "") in only_claimed(session) and not _USER_ARN.match(root.arn or "")
        if typed or any(step.link == "claimed" for step in session.chain):
            return tuple(each for each in found if not each.person)
        return found

    def _at(self, session: Session, root: ChainStep) -> tuple[_Root, ...]:
        match root.kind:
            case "identity_center_user":
                return self._portal_user(root)
            case "saml_user" if root.name:
                return (_Root(True, f"saml {fold('saml_subject', root.name)}", root.name),)
            case "web_identity" if root.name:
                return (_Root(not is_workload_subject(root.name), f"oidc {root.name}", root.name),)
            case "iam_user":
                return self._iam_user(session, root)
            case "root":
                return (_Root(True, f"root {root.account}", f"root of {root.account}"),)
            case "unknown" if root.by == "SourceIdentity" and root.name and _EMAIL.fullmatch(root.name):
                return (_Root(True, f"source identity {root.name.casefold()}", root.name),)
            case "ec2_instance":
                role = _role_before(session)
                return (_Root(False, f"role {role or root.name}", role or root.name or "an instance"),)
            case "lambda_function" | "kubernetes_service_account" | "aws_service" if root.name:
                account = "" if root.kind == "aws_service" else root.account
                return (_Root(False, f"{root.kind} {account} {root.name}", root.name),)
        return ()

    def _by_id(self, user_id: str) -> _Root:
        return _Root(True, f"user {user_id}", self.label_of_id.get(user_id, user_id))

    def _portal_user(self, root: ChainStep) -> tuple[_Root, ...]:
        if found := _USER_ARN.fullmatch(root.arn or ""):
            return (self._by_id(found[1]),)
        name = (root.name or "").casefold()
        if not name:
            return ()
        ids = sorted(self.ids_of_name.get(name, ()))
        return tuple(self._by_id(each) for each in ids) or (_Root(True, f"portal {name}", root.name or ""),)

    def _iam_user(self, session: Session, root: ChainStep) -> tuple[_Root, ...]:
        key = root.arn or (f"{root.account} {root.name}" if root.name else None)
        if key is None:
            return ()
        program = root.arn in self.programs and session.method != "iam_user_console"
        return (_Root(not program, f"iam {key}", root.arn or root.name or ""),)


def _is_program(user: IamUser) -> bool:
    """Whether nothing says that a person uses this user: no password, no MFA, no address."""
    addressed = any(alias.strength == "proven" for alias in addresses(user))
    return user.console_password is False and user.mfa is not True and not addressed


def _role_before(session: Session) -> str | None:
    """The role that an instance at the root of the chain has."""
    if len(session.chain) == 1:
        return session.role_arn
    found = _ASSUMED_ROLE.match(session.chain[-2].arn or "")
    return f"role/{found[1]} in {session.chain[-2].account}" if found else None

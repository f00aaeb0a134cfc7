"""What the sessions at hand show, and when each thing was last seen."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from ..model.directory import SamlProvider
from ..model.session import Session

_RESERVED_ROLE = re.compile(r"AWSReservedSSO_(.+)_[0-9a-f]{16}")


class Records:
    """When each configured thing was last seen in the sessions at hand."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = sessions
        self.accounts = {account for each in sessions for account in each.recorded_in}
        self.first = min((each.first_seen for each in sessions), default=None)
        self.last = max((each.last_seen for each in sessions), default=None)
        self.saml = self._latest(lambda each: [each.saml.arn] if each.saml else [])
        self.oidc = self._latest(lambda each: [(each.account, name) for name in oidc_names(each)])
        self.portal = self._latest(lambda each: [each.account] if each.method == "identity_center" else [])
        self.stores = self._latest(lambda each: [store_of(each)])
        self.permission_sets = self._latest(lambda each: [permission_set_of(each)])
        self.users = self._latest(lambda each: [each.principal_arn])
        self.keys = self._latest(lambda each: [key for key in each.access_keys if key.startswith("AKIA")])
        self.roots = self._latest(lambda each: [each.account] if each.method == "root" else [])

    def _latest(self, names: Callable[[Session], Iterable[object]]) -> dict[object, datetime]:
        latest: dict[object, datetime] = {}
        for each in self.sessions:
            for name in names(each):
                if name is not None:
                    latest[name] = max(each.last_seen, latest.get(name, each.last_seen))
        return latest

    def seen(self, last: datetime | None, *accounts: str | None) -> bool | None:
        """Whether something was seen; None if no records of its accounts are at hand."""
        if last is not None:
            return True
        return False if any(account in self.accounts for account in accounts) else None

    def oidc_last(self, account: str, url: str) -> datetime | None:
        """When a provider of an account was last seen."""
        return self.oidc.get((account, bare_url(url)))

    def saml_last(self, provider: SamlProvider) -> datetime | None:
        """When a provider was last seen; Identity Center's own also by the sessions of its roles."""
        last = self.saml.get(provider.arn)
        if not provider.name.startswith("AWSSSO_"):
            return last
        return max((each for each in (last, self.portal.get(provider.account)) if each is not None), default=None)


def permission_set_of(session: Session) -> str | None:
    """The permission set whose role a session is of: ``AWSReservedSSO_<name>_<16 hex>``."""
    found = _RESERVED_ROLE.fullmatch((session.role_arn or "").rsplit("/", 1)[-1])
    return found[1] if found else None


def event_ids(session: Session) -> tuple[str, ...]:
    """The records that a session cites: evidence, issuer, identifiers, steps of the chain."""
    cited = (
        *(evidence.event_id for evidence in session.evidence),
        *((session.issuer.event_id,) if session.issuer else ()),
        *(identifier.evidence.event_id for identifier in session.identifiers),
        *(step.event_id for step in session.chain if step.event_id),
    )
    return tuple(dict.fromkeys(each for each in cited if each))


def store_of(session: Session) -> str | None:
    """The id of the identity store whose user the session acts for."""
    arn = session.on_behalf_of.identity_store_arn if session.on_behalf_of else None
    return arn.rsplit("/", 1)[-1] if arn else None


def oidc_names(session: Session) -> tuple[str, ...]:
    """The provider's URL without scheme, as IAM writes it, from its name and its ARN."""
    if session.web_identity is None:
        return ()
    texts = (session.web_identity.name, (session.web_identity.arn or "").partition(":oidc-provider/")[2])
    return tuple(dict.fromkeys(text.removeprefix("https://").casefold() for text in texts if text))


def bare_url(url: str) -> str:
    """A provider's URL as it is compared."""
    return url.removeprefix("https://").casefold()

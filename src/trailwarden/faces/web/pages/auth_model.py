"""Auth model: how people and workloads come in, what is set up for it, and what of that is used."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from starlette.responses import Response

from ....authreport import Configured
from ....tools.auth_model import AuthModelReport
from ....tools.search import Live
from ..pictures import entrances
from ..routes import OnPage, Pages
from .sessions import account_chips, spans, window_asked, words

pages = Pages()
_UNSAID = {True: "yes", False: "no", None: "not known"}
#: What kinds of things that only one side has are called.
UNMATCHED_WORDS = {
    "saml_provider": "SAML provider",
    "oidc_provider": "OpenID Connect provider",
    "identity_center": "Identity Center",
    "identity_center_user": "Identity Center user",
    "permission_set": "Permission set",
    "iam_user": "IAM user",
    "access_key": "Access key",
}


class Row(msgspec.Struct, frozen=True):
    """Something that is set up. ``seen`` None: nothing tells whether it is used; ``risky`` is said in red."""

    kind: str
    name: str
    detail: str
    accounts: tuple[str, ...]
    seen: bool | None
    last_seen: datetime | None = None
    risky: str = ""


@pages.get("/auth-model", right="read")
def auth_model(here: OnPage, refresh: bool = False, live: Live = "never") -> Response:
    """The whole; of one account with ``account``, of a span with ``last``, ``from`` and ``to``."""
    query = window_asked(here)
    report: AuthModelReport = here.app.auth_model(
        account=query.where.account, window=query.window, refresh=refresh, live=live
    )
    known = words(here)
    return here.answer(
        "auth_model.html",
        report,
        name="auth-model",
        asked=query,
        picture=entrances(report.methods, known["labels"]) if report.methods else None,
        configured=list(configured_rows(report.configured)),
        unmatched_words=UNMATCHED_WORDS,
        chips=account_chips("/auth-model", query),
        **known,
        **spans(here),
    )


def configured_rows(configured: Configured) -> Iterator[Row]:
    """Everything that is set up, a row each; those whose use is known last within a kind keep AWS's order."""
    for instance in configured.identity_center:
        people = "users not read" if instance.users is None else f"{instance.users:,} users"
        owner = (instance.owner,) if instance.owner else ()
        name = instance.name or instance.identity_store_id
        yield Row("Identity Center", name, people, owner, instance.seen, instance.last_seen)
    for kind, providers in (("SAML provider", configured.saml_providers), ("OIDC provider", configured.oidc_providers)):
        for each in providers:
            clients = f"for {', '.join(each.client_ids)}" if each.client_ids else ""
            yield Row(kind, each.name, clients, (each.account,), each.seen, each.last_seen)
    users = configured.iam_users
    if users is not None:
        keys = "keys not read" if users.active_keys is None else f"{users.active_keys:,} active keys"
        oldest = f", the oldest {users.oldest_key_days:,} days old" if users.oldest_key_days is not None else ""
        detail = f"{users.console_password:,} with a password, {keys}{oldest}"
        risky = f"{users.console_without_mfa:,} without MFA" if users.console_without_mfa else ""
        name = f"{users.total:,} users, {users.seen:,} seen"
        yield Row("IAM users", name, detail, users.accounts, users.seen > 0, risky=risky)
    for root in configured.root_users:
        detail = f"MFA {_UNSAID[root.mfa]}, access keys {_UNSAID[root.access_keys]}"
        wrong = ("no MFA" if root.mfa is False else "", "has access keys" if root.access_keys else "")
        risky = ", ".join(each for each in wrong if each)
        yield Row("Root user", f"root of {root.account}", detail, (root.account,), root.seen, root.last_seen, risky)
    for each_set in configured.permission_sets:
        yield Row("Permission set", each_set.name, "", each_set.accounts, each_set.seen, each_set.last_seen)

"""How an account is entered: which ways of authenticating are used, and which are set up."""

import msgspec

from ..authreport import Configured, MethodUse, Unmatched
from ..authreport import auth_model as summarize
from ..installation import Installation
from ..model.event import EventFilter
from ..model.finding import Coverage, Finding
from ..model.session import SessionFilter
from ..model.time import Window
from ..tool import tool
from ._directory import DIRECTORY_NEEDS, Refresh, directory_of
from ._sessions import AccountFilter, LiveOption, ask_history, coverage_of, session_index
from .search import SEARCH_NEEDS


class AuthModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """How people and workloads authenticate.

    ``summary`` says it in words, each sentence from the fields below; ``methods`` are those that were seen,
    ``configured`` what AWS is set up for, seen or not; ``unused`` is set up and not in the records, ``unknown``
    is in the records and not set up.
    """

    summary: tuple[str, ...]
    methods: tuple[MethodUse, ...]
    configured: Configured
    unused: tuple[Unmatched, ...]
    unknown: tuple[Unmatched, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage


@tool(
    effect="read",
    title="Discover how people and workloads authenticate",
    command="auth-model",
    needs=(*SEARCH_NEEDS, *DIRECTORY_NEEDS),
    examples=(
        "trailwarden auth-model",
        "trailwarden auth-model --account 222222222222 --last 30d",
        "trailwarden auth-model --format json",
    ),
)
def auth_model(
    app: Installation,
    *,
    account: AccountFilter = (),
    window: Window | None = None,
    refresh: Refresh = False,
    live: LiveOption = "auto",
) -> AuthModelReport:
    """How these accounts are entered: Identity Center, SAML, OIDC, IAM users, root, roles of workloads and services.

    What the records show is set beside what AWS is configured for, so that what is set up and not used, and
    what is used and not set up, both show. Absence in the records is not disuse: see the coverage.
    """
    from ..session_findings import session_findings  # noqa: PLC0415

    events = EventFilter(account=account)
    history = ask_history(app, events, window, live)
    directory = directory_of(app, refresh=refresh)
    with session_index(app) as index:
        sessions = index.whole(SessionFilter(account=account), window)
    findings = session_findings(sessions, directory, now=app.now(), aliases=app.state.aliases.list())
    labels = app.lake.manifest.expected_accounts()
    model = summarize(sessions, directory, now=app.now(), findings=findings, labels=labels)
    return AuthModelReport(
        summary=model.summary,
        methods=model.methods,
        configured=model.configured,
        unused=model.unused,
        unknown=model.unknown,
        findings=model.findings,
        coverage=coverage_of(app, events, window, history, sessions).with_gaps(directory.all_gaps, model.notes),
    )

"""The report."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ..model.directory import Directory
from ..model.finding import Finding
from ..model.session import AUTH_METHODS, Session
from .configured import configuration
from .methods import method_use
from .roots import Roots
from .seen import Records
from .unmatched import only_configured, only_seen, unmatched_order
from .values import AuthModel
from .words import notes_on, summary_of


def auth_model(
    sessions: Iterable[Session],
    directory: Directory,
    *,
    now: datetime,
    findings: Sequence[Finding] = (),
    labels: Mapping[str, str] | None = None,
) -> AuthModel:
    """The authentication model of the accounts whose sessions and directory are given.

    ``labels`` are names of accounts for the sentences. The order of the sessions changes nothing.
    """
    seen = sorted(sessions, key=lambda session: session.session_id)
    records = Records(seen)
    configured = configuration(directory, records, now)
    roots = Roots(seen, directory)
    methods = tuple(
        method_use(method, own, roots)
        for method in AUTH_METHODS
        if (own := [session for session in seen if session.method == method])
    )
    unused = tuple(sorted(only_configured(directory, records), key=unmatched_order))
    unknown = tuple(sorted(only_seen(directory, records), key=unmatched_order))
    return AuthModel(
        methods=methods,
        configured=configured,
        unused=unused,
        unknown=unknown,
        findings=tuple(findings),
        summary=tuple(summary_of(methods, configured, unused, unknown, labels or {})),
        notes=tuple(notes_on(records, configured)),
    )

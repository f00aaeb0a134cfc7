"""What is wrong with a connection, exactly."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..aws.connection import Connection
from ..aws.diagnosis import Diagnosis
from ..errors import UsageError
from ..installation import Installation
from ..tool import tool
from ._respond import snapshot_of

#: A diagnosis wants to know soon that nobody answers.
ATTEMPTS = 3


class DoctorReport(msgspec.Struct, frozen=True):
    """A diagnosis of each connection."""

    diagnoses: tuple[Diagnosis, ...]

    @property
    def exit_code(self) -> int:
        """1 if a connection does not work as it should."""
        return 1 if any(each.status == "failed" for each in self.diagnoses) else 0


@tool(
    effect="read",
    title="Say exactly what is wrong with the connections",
    needs=("iam:GetRole", "cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "account:ListRegions"),
    examples=(
        "trailwarden accounts doctor",
        "trailwarden accounts doctor 222222222222",
        "trailwarden accounts doctor 222222222222 --profile production-admin",
    ),
)
def accounts_doctor(
    app: Installation,
    accounts: Annotated[
        tuple[str, ...],
        Meta(
            description="Connected accounts (id, label or role ARN); all without one",
            extra={"argument": True, "metavar": "[ACCOUNT...]"},
        ),
    ] = (),
    *,
    profile: Annotated[
        str | None,
        Meta(
            description="AWS profile with your own credentials in the account: a second view, which tells apart a "
            "missing role, a trust policy that does not name us, and a wrong External ID"
        ),
    ] = None,
) -> DoctorReport:
    """Diagnose connections: credentials, clock, role, trust policy, External ID, permissions, trail, Regions.

    Of a role to respond with, each action is told: whether the role may carry it out, or what it lacks.

    AWS answers alike where a role is missing, its trust policy does not name this installation, or the
    External ID is wrong. Another working connection to the same account, or --profile, tells them apart.

    Raises:
        UsageError: no such connection, or none at all.
    """
    from ..actions import actions  # noqa: PLC0415
    from ..aws.doctor import diagnose_all  # noqa: PLC0415

    store = app.state.connections
    named = (found for each in accounts for found in store.matching(each))
    connections = list(dict.fromkeys(named)) if accounts else list(store.list())
    if not connections:
        raise UsageError(
            "no account is connected", remedy="trailwarden accounts policy prints a role; accounts connect connects it"
        )
    broker = app.new_broker(attempts=ATTEMPTS)
    diagnoses = diagnose_all(
        broker,
        connections,
        {
            **{each.title: each.needs for each in app.tools.values() if each.needs},
            "Plan response actions": sorted({need.action for kind in actions().values() for need in kind.reads}),
        },
        now=app.now,
        second_view=broker.own_session(profile) if profile else None,
        progress=app.progress,
        responding=lambda connection: _lacking(app, connection),
    )
    for diagnosis in diagnoses:
        store.record_check(diagnosis.connection, diagnosis.status, at=diagnosis.at)
    return DoctorReport(tuple(diagnoses))


def _lacking(app: Installation, connection: Connection) -> dict[str, tuple[str, ...]] | None:
    """What a respond role lacks for each action, by its title; None where the account's IAM cannot be read."""
    from ..actions import actions  # noqa: PLC0415
    from ..aws.session_policy import lacking_for_action  # noqa: PLC0415

    snapshot = snapshot_of(app, connection.account_id, refresh=True)
    if snapshot is None:
        return None
    return {kind.title: lacking_for_action(kind, snapshot, connection.role_arn) for kind in actions().values()}

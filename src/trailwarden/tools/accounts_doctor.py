"""What is wrong with a connection, exactly."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ..aws.diagnosis import Diagnosis
from ..errors import UsageError
from ..installation import Installation
from ..tool import tool

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

    AWS answers alike where a role is missing, its trust policy does not name this installation, or the
    External ID is wrong. Another working connection to the same account, or --profile, tells them apart.

    Raises:
        UsageError: no such connection, or none at all.
    """
    from ..aws.doctor import diagnose_all  # noqa: PLC0415

    store = app.state.connections
    connections = [store.get(each) for each in accounts] if accounts else list(store.list())
    if not connections:
        raise UsageError(
            "no account is connected", remedy="trailwarden accounts policy prints a role; accounts connect connects it"
        )
    broker = app.new_broker(attempts=ATTEMPTS)
    diagnoses = diagnose_all(
        broker,
        connections,
        {each.title: each.needs for each in app.tools.values() if each.needs},
        now=app.now,
        second_view=broker.own_session(profile) if profile else None,
        progress=app.progress,
    )
    for diagnosis in diagnoses:
        store.record_check(diagnosis.connection, diagnosis.status, at=diagnosis.at)
    return DoctorReport(tuple(diagnoses))

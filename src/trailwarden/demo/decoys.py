"""What looks like the incident and is not: john at work, jane on a journey, and a scanner doing its duty."""

from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from .people import Person
from .profiles import profile
from .programs import workload_session
from .records import Recorded, Writer
from .scenario import Scenario
from .sessions import identity_center_session, sign_in

TRAVEL_IP = "37.120.44.91"


def working_instant(scenario: Scenario, person: Person, before: datetime) -> datetime:
    """The latest moment before ``before`` at which it is half past ten or two o'clock where ``person`` works."""
    zone = ZoneInfo(person.place.zone)
    day = before.astimezone(zone).date()
    moments = (
        datetime(on.year, on.month, on.day, hour, minute, tzinfo=zone)
        for on in (day, day - timedelta(days=1))
        for hour, minute in ((14, 0), (10, 30))
    )
    return max(moment for moment in moments if moment <= before).astimezone(scenario.anchor.tzinfo)


def decoys(scenario: Scenario, random: Random, start: int) -> dict[str, list[Recorded]]:
    """The records of each, by what it is. ``start`` is when the incident starts, in seconds since 1970."""
    john, jane = scenario.person("john"), scenario.person("jane")
    writer = Writer(scenario, "decoys")

    def session(person: Person, account_id: str, permission_set: str, at: int, ip: str) -> list[Recorded]:
        role = scenario.role(account_id, permission_set)
        issued, caller = identity_center_session(
            scenario, person, role, at + 45, random, ip=ip, agent=person.command_line, console=False,
            region=person.place.region,
        )  # fmt: skip
        entered = sign_in(scenario, person, at, random, ip=ip, agent=person.browser, mfa=True)
        actions, weights = profile(person.team)
        return [
            *(writer.write_single(*timed) for timed in (*entered, *issued)),
            *(
                writer.write(at + 60 + number * 37, caller, action)
                for number, action in enumerate(random.choices(actions, cum_weights=weights, k=24))
            ),
        ]

    worked = int(working_instant(scenario, john, scenario.anchor - timedelta(minutes=40)).timestamp())
    return {
        "john at work": session(john, scenario.development.id, "PowerUser", worked, john.home_ip),
        "jane travelling": session(jane, scenario.management.id, "SecurityAudit", start - 7200, TRAVEL_IP),
        "compliance scanner": _scan(scenario, writer, random, start - 3600),
    }


def _scan(scenario: Scenario, writer: Writer, random: Random, at: int) -> list[Recorded]:
    """120 calls in four minutes by the scheduled compliance scanner."""
    workload = next(w for w in scenario.workloads if w.name == "compliance-scanner")
    issued, caller = workload_session(scenario, workload, at, random)
    records = [writer.write_single(seconds, record) for seconds, record in issued]
    actions, weights = profile("scanner")
    chosen = random.choices(actions, cum_weights=weights, k=120)
    return records + [writer.write(at + 2 + number * 2, caller, action) for number, action in enumerate(chosen)]

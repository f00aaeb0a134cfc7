"""The incident: what happened to john, told as records, and the facts of it.

On the evening before the anchor somebody signs in with john's phished password and code, looks around the
development account, finds a long-forgotten access key of john's in its parameter store, and tries it in
production: 47 calls in five minutes. What it opens in the end is the development account's deploy role, and
behind that the role of CloudFormation, with which the intruder makes himself at home. Beside it there is
what an analyst must not mistake for it: john at work, jane on a journey, a namesake, and a scanner.
"""

from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from .decoys import TRAVEL_IP, decoys
from .intrusion import (
    ATTACKER_CLI,
    ATTACKER_IP,
    CHAIN_REGION,
    SESSION,
    Backdoor,
    Stage,
    denied,
    look_around,
    settle,
    use_stolen_key,
)
from .issuance import Timed, assume_role, role_identity, user_identity
from .people import Person
from .records import Recorded, session_key
from .scenario import Scenario
from .sessions import identity_center_session, sign_in

_ATTACKER_BROWSER = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the incident; all ids are those in the records, all times UTC.

    ``key_calls`` are the events of the stolen key, in order: 47, of which ``denied`` were refused, among
    them ``admin_attempts``. ``handover`` are the two records of the one AssumeRole that succeeded (the
    calling account's and the target's), ``handover_shared_id`` their sharedEventID. ``decoys`` names what
    looks like the incident and is not, with its event ids.
    """

    email: str
    name: str
    user_id: str
    usual_ip: str
    iam_user: str
    iam_user_arn: str
    account_id: str
    stolen_key: str
    current_key: str
    attacker_ip: str
    attacker_user_agent: str
    signed_in: datetime
    first_call: datetime
    last_call: datetime
    ended: datetime
    sign_in: tuple[str, ...]
    portal_session: tuple[str, ...]
    portal_role_arn: str
    key_calls: tuple[str, ...]
    denied: tuple[str, ...]
    admin_role_arn: str
    admin_attempts: tuple[str, ...]
    handover: tuple[str, str]
    handover_shared_id: str
    deploy_role_arn: str
    deploy_session: str
    chained: str
    chained_role_arn: str
    persistence: tuple[str, ...]
    stop_logging: tuple[str, ...]
    backdoor_user: str
    backdoor_user_arn: str
    backdoor_user_id: str
    backdoor_key: str
    backdoor_call: str
    rogue_instance: str
    rogue_region: str
    decoys: dict[str, tuple[str, ...]]
    travel_ip: str


class Play(NamedTuple):
    """The story and its records, by time."""

    story: Story
    records: list[Recorded]


def incident(scenario: Scenario) -> Story:
    """The facts of the incident in a scenario."""
    return play(scenario).story


def _night(scenario: Scenario, person: Person) -> int:
    """When it starts: late in john's evening or in his night, between 20 and 3 hours before the anchor."""
    zone = ZoneInfo(person.place.zone)
    today = scenario.anchor.astimezone(zone).date()
    moments = [
        datetime(on.year, on.month, on.day, hour, minute, 7, tzinfo=zone)
        for hour, minute in ((22, 4), (3, 12), (19, 31))
        for on in (today, today - timedelta(days=1))
    ]
    reach = (timedelta(hours=3), timedelta(hours=20))
    return int(next(m for m in moments if reach[0] <= scenario.anchor - m <= reach[1]).timestamp())


def play(scenario: Scenario) -> Play:
    """The incident and its decoys: the facts, and every record of them."""
    random = Random(f"incident {scenario.seed} {scenario.anchor.isoformat()}")
    john, user = scenario.person("john"), scenario.iam_user("john")
    start = _night(scenario, john)
    timed: list[Timed] = []

    entrance = sign_in(scenario, john, start, random, ip=ATTACKER_IP, agent=_ATTACKER_BROWSER, mfa=True)
    power_user = scenario.role(scenario.development.id, "PowerUser")
    taken = start + 71
    issued, caller = identity_center_session(
        scenario,
        john,
        power_user,
        taken,
        random,
        ip=ATTACKER_IP,
        agent=ATTACKER_CLI,
        console=False,
        region="eu-west-1",
    )
    portal = Stage(scenario, "portal", caller.identity, scenario.development.id)
    look_around(portal, scenario, taken + 25)
    timed += [*entrance, *issued, *portal.records]

    key = user.keys[0][0]
    stolen = Stage(scenario, "key", user_identity(user, key), scenario.production.id)
    first = taken + 1680
    attempts, handover, deploy_key, last, shared_id = use_stolen_key(stolen, scenario, first, random)
    timed += stolen.records

    deploy = scenario.role(scenario.development.id, "DeployRole")
    deployed = role_identity(deploy, SESSION, key=deploy_key, created=last)
    inside = Stage(scenario, "deploy", deployed, deploy.account_id)
    inside.call(last + 14, "sts:GetCallerIdentity", CHAIN_REGION)
    inside.call(last + 20, "cloudformation:DescribeStacks", CHAIN_REGION)
    inside.call(last + 31, "iam:ListUsers", CHAIN_REGION, error=denied(inside.arn, "iam:ListUsers"))
    execution = scenario.role(deploy.account_id, "CloudFormationExecutionRole")
    execution_key = session_key(random)
    chained = inside.next_id()
    inside.records += assume_role(
        deployed, execution, SESSION, last + 58, random, key=execution_key, ip=ATTACKER_IP, agent=ATTACKER_CLI,
        region=CHAIN_REGION, event_ids=(chained, chained),
    )  # fmt: skip
    home = Stage(
        scenario,
        "execution",
        role_identity(execution, SESSION, key=execution_key, created=last + 58),
        deploy.account_id,
    )
    backdoor = Backdoor(scenario)
    persistence, stop_logging = settle(home, scenario, backdoor, last + 75)
    visit = Stage(scenario, "backdoor", backdoor.identity, deploy.account_id)
    ended = last + 640
    returned = visit.call(ended, "sts:GetCallerIdentity", "us-east-1")
    timed += [*inside.records, *home.records, *visit.records]

    ids = Random(f"incident ids {scenario.seed} {scenario.anchor.isoformat()}")
    records = [Recorded(t, one.account_id, one.region, one.body(t, ids)) for t, one in timed]
    harmless = decoys(scenario, random, start)
    records += [recorded for told in harmless.values() for recorded in told]
    records.sort(key=lambda recorded: recorded.seconds)

    def moment(seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, scenario.anchor.tzinfo)

    story = Story(
        email=john.email,
        name=f"{john.given} {john.family}",
        user_id=john.user_id,
        usual_ip=john.home_ip,
        iam_user=user.name,
        iam_user_arn=user.arn,
        account_id=scenario.production.id,
        stolen_key=key,
        current_key=user.keys[-1][0],
        attacker_ip=ATTACKER_IP,
        attacker_user_agent=ATTACKER_CLI,
        signed_in=moment(entrance[-1].seconds),
        first_call=moment(first),
        last_call=moment(last),
        ended=moment(ended),
        sign_in=_ids_of(records, "signin.amazonaws.com", ATTACKER_IP),
        portal_session=tuple(portal.ids),
        portal_role_arn=power_user.arn,
        key_calls=tuple(stolen.ids),
        denied=tuple(stolen.failed),
        admin_role_arn=scenario.role(scenario.production.id, "AdminRole").arn,
        admin_attempts=attempts,
        handover=handover,
        handover_shared_id=shared_id,
        deploy_role_arn=deploy.arn,
        deploy_session=SESSION,
        chained=chained,
        chained_role_arn=execution.arn,
        persistence=persistence,
        stop_logging=stop_logging,
        backdoor_user=backdoor.name,
        backdoor_user_arn=backdoor.arn,
        backdoor_user_id=backdoor.id,
        backdoor_key=backdoor.key,
        backdoor_call=returned,
        rogue_instance=backdoor.instance,
        rogue_region=CHAIN_REGION,
        decoys={what: tuple(_event_id(r.body) for r in told) for what, told in harmless.items()},
        travel_ip=TRAVEL_IP,
    )
    return Play(story, records)


def _event_id(body: bytes) -> str:
    return body.split(b'"eventID":"', 1)[1][:36].decode()


def _ids_of(records: list[Recorded], source: str, ip: str) -> tuple[str, ...]:
    needles = f'"eventSource":"{source}"'.encode(), f'"sourceIPAddress":"{ip}"'.encode()
    return tuple(_event_id(r.body) for r in records if all(needle in r.body for needle in needles))

"""Sessions of connected roles: temporary, renewed in time, shared between threads, and never somebody else's."""

import json
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aws_connect_kit import EXTERNAL_ID, OWN_ACCOUNT, World, broker_of, trust_document, use_session_of

from trailwarden.aws.broker import CallSettings, session_name
from trailwarden.aws.errors import is_clock_skew
from trailwarden.demo.emulator import Fault
from trailwarden.errors import AccessDenied, AwsError, ExpiredCredentials, NoCredentials, Unreachable


def count_calls(world: World) -> Counter[str]:
    """How often each operation is called from now on by the own principal, whose clients must not be made yet."""
    calls: Counter[str] = Counter()
    world.broker.own().boto.events.register(
        "before-send.sts", lambda event_name, **_: calls.update([event_name.rpartition(".")[2]])
    )
    return calls


def test_who_this_installation_is_is_asked_once(world: World) -> None:
    calls = count_calls(world)
    identity = world.broker.caller_identity()
    assert identity == world.broker.caller_identity()
    assert (identity.account, identity.partition) == (OWN_ACCOUNT, "aws")
    assert identity.principal_arn == f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden"
    assert calls == {"GetCallerIdentity": 1}


def test_whom_to_trust_with_the_path_of_the_own_role_where_it_may_be_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.broker.own_principal().arn == f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden"
    trust = trust_document(f"arn:aws:iam::{OWN_ACCOUNT}:user/trailwarden", None)
    arn = world.role(OWN_ACCOUNT, trust, name="runner", path="/team/", attach=())
    use_session_of(world, arn, monkeypatch)
    unseen = broker_of(world.kept, world.now).own_principal()
    assert unseen.arn == f"arn:aws:iam::{OWN_ACCOUNT}:role/runner"
    assert "has a path" in unseen.note
    world.allow_role(OWN_ACCOUNT, "runner", ["iam:GetRole"])
    seen = broker_of(world.kept, world.now).own_principal()
    assert (seen.arn, seen.note) == (arn, "")


def test_a_client_works_in_the_connected_account(world: World) -> None:
    connection = world.connected()
    client = world.broker.client(connection, "iam")
    assert client.get_role(RoleName="Trailwarden")["Role"]["Arn"] == connection.role_arn
    identity = world.broker.session(connection).identity()
    assert identity.account == connection.account_id
    assert identity.arn.endswith(":assumed-role/Trailwarden/trailwarden-read")
    assert identity.principal_arn == connection.role_arn


def test_a_wrong_external_id_is_refused(world: World) -> None:
    connection = world.connect(world.role(world.account()), external_id="another-one")
    with pytest.raises(AccessDenied, match="sts:AssumeRole failed in account 222222222222") as caught:
        world.broker.session(connection)
    assert "another-one" not in caught.value.message


def test_clients_are_made_once_for_each_service_and_region(world: World) -> None:
    connection = world.connected()
    first = world.broker.client(connection, "cloudtrail", "eu-west-1")
    assert world.broker.client(connection, "cloudtrail", "eu-west-1") is first
    other = world.broker.client(connection, "cloudtrail", "eu-west-2")
    assert other is not first
    assert other.meta.region_name == "eu-west-2"
    world.broker.forget(connection)
    assert world.broker.client(connection, "cloudtrail", "eu-west-1") is not first


def test_many_threads_assume_a_role_once(world: World) -> None:
    connections = [world.connected(), world.connected()]
    calls, start, clients = count_calls(world), threading.Barrier(8), []

    def use(number: int) -> None:
        start.wait()
        clients.append(world.broker.client(connections[number % 2], "iam"))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clients) == 8
    assert len(set(map(id, clients))) == 2
    assert calls == {"AssumeRole": 2}


def test_a_refused_role_is_tried_again_the_next_time(world: World) -> None:
    connection = world.connect(f"arn:aws:iam::{world.account()}:role/Trailwarden")
    with pytest.raises(AccessDenied):
        world.broker.session(connection)
    world.role(connection.account_id)
    assert world.broker.session(connection).identity().account == connection.account_id


def test_a_session_is_renewed_before_it_expires_and_not_earlier(world: World) -> None:
    calls = count_calls(world)
    client = world.broker.client(world.connected(), "iam")
    for minutes, renewals in ((0, 0), (54, 0), (56, 1), (57, 1), (61, 1), (56 + 54, 1), (56 + 56, 2)):
        world.clock.ahead = timedelta(minutes=minutes)
        client.get_role(RoleName="Trailwarden")
        assert calls["AssumeRole"] == 1 + renewals, minutes


def test_a_session_that_nobody_used_for_hours_is_renewed(world: World) -> None:
    client = world.broker.client(world.connected(), "iam")
    world.clock.ahead = timedelta(hours=5)
    assert client.get_role(RoleName="Trailwarden")


def test_many_threads_renew_a_session_once(world: World) -> None:
    calls, start, failures = count_calls(world), threading.Barrier(6), []
    client = world.broker.client(world.connected(), "iam")
    world.clock.ahead = timedelta(minutes=59)

    def use() -> None:
        start.wait()
        try:
            client.get_role(RoleName="Trailwarden")
        except Exception as error:  # noqa: BLE001 - whatever a thread raises fails the test
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert calls["AssumeRole"] == 2


def test_what_fails_in_a_renewal_reaches_the_caller_as_it_is(world: World) -> None:
    client = world.broker.client(world.connected(), "iam")
    world.clock.ahead = timedelta(minutes=59)
    world.emulator.faults.append(Fault.deny("sts:AssumeRole"))
    with pytest.raises(AccessDenied, match="sts:AssumeRole"):
        client.get_role(RoleName="Trailwarden")


def test_a_clock_that_runs_hours_ahead_is_said_instead_of_renewing_for_ever(world: World) -> None:
    broker = broker_of(world.kept, lambda: world.now() + timedelta(hours=2))
    with pytest.raises(AwsError, match="this machine's clock says") as caught:
        broker.session(world.connected())
    assert is_clock_skew(caught.value)


def test_a_narrowed_session_names_the_person_and_may_do_less(world: World) -> None:
    document = trust_document(Action=["sts:AssumeRole", "sts:SetSourceIdentity"])
    connection = world.connected(document)
    policy = {"Statement": [{"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*"}], "Version": "2012-10-17"}
    session = world.broker.assume(
        connection,
        session_policy=json.dumps(policy),
        source_identity="jo@example.com",
        duration=timedelta(minutes=15),
        trace="proposal 17/ä",
    )
    assert session.identity().arn.endswith("/trailwarden-proposal-17--")
    assert session.client("iam").get_role(RoleName="Trailwarden")
    with pytest.raises(session.client("iam").exceptions.ClientError, match="session policy"):
        session.client("iam").list_roles()
    assert world.broker.session(connection) is not session, "a narrowed session is nobody else's"


def test_a_session_of_another_account_is_refused(world: World) -> None:
    connection = world.connected()

    def swap(parsed: dict[str, Any], **_: Any) -> None:
        parsed["AssumedRoleUser"]["Arn"] = "arn:aws:sts::999999999999:assumed-role/Trailwarden/x"

    world.broker.own().boto.events.register("after-call.sts.AssumeRole", swap)
    with pytest.raises(AwsError, match="a session in account 999999999999, not 222222222222"):
        world.broker.session(connection)


def test_nothing_shown_of_a_session_holds_a_secret(world: World) -> None:
    connection = world.connected()
    session = world.broker.session(connection)
    keys = session.boto.get_credentials().get_frozen_credentials()
    shown = repr((connection, session, world.broker, world.broker.caller_identity()))
    assert EXTERNAL_ID not in shown
    assert keys.secret_key not in shown
    assert keys.token not in shown


# ---------------------------------------------------------------- Regions


def test_enabled_regions(world: World) -> None:
    connection = world.connected()
    world.emulator.enable_region(connection.account_id, "eu-south-2")
    regions = world.broker.enabled_regions(connection)
    assert regions.source == "account:ListRegions"
    assert {"us-east-1", "eu-south-2"} <= set(regions.enabled)
    assert "il-central-1" in regions.disabled
    assert world.broker.enabled_regions(connection) is regions


def test_enabled_regions_from_ec2_where_account_may_not_be_asked(world: World) -> None:
    connection = world.connected(attach=(), allow=("ec2:DescribeRegions",))
    first = world.broker.enabled_regions(connection)
    assert first.source == "ec2:DescribeRegions"
    assert "il-central-1" in first.disabled
    other = world.broker.enabled_regions(world.connected())
    assert (other.enabled, other.disabled) == (first.enabled, first.disabled)


def test_regions_that_may_not_be_asked_are_an_error_and_not_none(world: World) -> None:
    with pytest.raises(AccessDenied, match="account:ListRegions") as caught:
        world.broker.enabled_regions(world.connected(attach=(), allow=("iam:GetRole",)))
    assert "ec2:DescribeRegions" in caught.value.remedy


def test_regions_are_asked_again_after_an_hour(world: World) -> None:
    connection = world.connected()
    before = world.broker.enabled_regions(connection)
    world.emulator.enable_region(connection.account_id, "il-central-1")
    assert world.broker.enabled_regions(connection) is before
    world.clock.ahead = timedelta(minutes=61)
    assert "il-central-1" in world.broker.enabled_regions(connection).enabled


def test_expired_credentials_are_not_taken_for_a_missing_permission(world: World) -> None:
    connection = world.connected()
    world.broker.session(connection)
    world.emulator.faults.append(Fault.expire("account:ListRegions", times=9))
    with pytest.raises(ExpiredCredentials):
        world.broker.enabled_regions(connection)


@pytest.mark.parametrize(
    ("partition", "region"), [("aws", "eu-west-3"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_sts_is_called_in_the_roles_partition_and_in_a_region(
    world: World, monkeypatch: pytest.MonkeyPatch, partition: str, region: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    broker = broker_of(world.kept, world.now)
    assert broker.home_region(partition) == region
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    url = broker_of(world.kept, world.now).own().client("sts", region).meta.endpoint_url
    assert url.startswith(f"https://sts.{region}.amazonaws.com")


# ---------------------------------------------------------------- own credentials and how calls are made


def write_profile(path: Path, name: str, key: str) -> Path:
    path.write_text(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = from-the-file\n")
    return path


def key_of(broker: Any) -> str:
    return str(broker.own().boto.get_credentials().access_key)


def test_a_profile_of_the_settings_goes_before_keys_of_the_environment(world: World, tmp_path: Path) -> None:
    file = write_profile(tmp_path / "credentials", "security", "AKIAFROMPROFILE00000")
    broker = broker_of(world.kept, world.now, profile="security", credentials_file=file)
    assert key_of(broker) == "AKIAFROMPROFILE00000"


def test_a_credentials_file_of_the_settings_goes_before_keys_of_the_environment(world: World, tmp_path: Path) -> None:
    file = write_profile(tmp_path / "credentials", "default", "AKIAFROMFILE00000000")
    assert key_of(broker_of(world.kept, world.now, credentials_file=str(file))) == "AKIAFROMFILE00000000"


def test_without_settings_the_environment_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMENVIRONMENT0")
    assert key_of(broker_of(world.kept, world.now)) == "AKIAFROMENVIRONMENT0"


def test_a_profile_that_is_not_there(world: World) -> None:
    with pytest.raises(NoCredentials, match="missing-profile") as caught:
        broker_of(world.kept, world.now, profile="missing-profile").own()
    assert "list-profiles" in caught.value.remedy


def test_no_credentials_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoCredentials):
        broker_of(world.kept, world.now).caller_identity()


def test_calls_say_who_calls_and_are_retried_adaptively(world: World) -> None:
    connection = world.connected()
    broker = broker_of(world.kept, world.now, settings=CallSettings(attempts=5, pool=7))
    config = broker.client(connection, "iam").meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 5}
    assert "trailwarden/" in config.user_agent
    assert config.max_pool_connections == 7


def test_throttling_is_waited_out(world: World) -> None:
    connection = world.connected()
    world.emulator.faults.append(Fault.throttle("sts:AssumeRole", times=1))
    assert world.broker.session(connection).account == connection.account_id


def test_no_way_to_aws_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = world.connected()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        broker_of(world.kept, world.now).session(connection)


@pytest.mark.parametrize("trace", ["", "a" * 100, "jo@example.com", "with space/and ümlaut", "\n\x00"])
def test_session_names_are_as_aws_wants_them(trace: str) -> None:
    name = session_name(trace)
    assert name.startswith("trailwarden-")
    assert 2 <= len(name) <= 64
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-")


def test_a_connection_shows_its_parts(world: World) -> None:
    connection = world.connect("arn:aws:iam::222222222222:role/team/Trailwarden", label="prod")
    assert connection.role_name == "Trailwarden"
    assert str(connection) == "prod (222222222222)"
    assert str(msgspec.structs.replace(connection, label="")) == "222222222222"

"""What Falcon saw of the demo's incident, read with the SDK through the connection that the demo makes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from falcon_kit import CLIENT, NOW, Sleeps, connection_to, run

from trailwarden.app import App
from trailwarden.demo.falcon import FalconServer, Tenant
from trailwarden.demo.falcon.server import ALERT_FIELDS, HOST_FIELDS
from trailwarden.demo.falcon.story import LAPTOP, Telling, tell
from trailwarden.demo.incident import Story, incident
from trailwarden.demo.run import Running, running
from trailwarden.demo.scenario import Scenario, build_scenario
from trailwarden.falcon import client
from trailwarden.falcon.client import Falcon
from trailwarden.falcon.parse import alert_of, host_of
from trailwarden.lake.alerts import AlertStore
from trailwarden.model.alert import Alert, Host
from trailwarden.model.time import Window
from trailwarden.tools._falcon import falcon_of


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return build_scenario(anchor=NOW, seed=7, records=1_000)


@pytest.fixture(scope="module")
def story(scenario: Scenario) -> Story:
    return incident(scenario)


@pytest.fixture(scope="module")
def told(scenario: Scenario, story: Story) -> Telling:
    return tell(scenario, story)


def alert(told: Telling, composite_id: str) -> Alert:
    (body,) = [each for each in told.alerts if each["composite_id"] == composite_id]
    found = alert_of(body)
    assert isinstance(found, Alert)
    return found


def host_named(told: Telling, device_id: str | None) -> Host:
    (body,) = [each for each in told.hosts if each["device_id"] == device_id]
    found = host_of(body)
    assert isinstance(found, Host)
    return found


def test_the_laptop_is_hit_shortly_before_the_stolen_key_is_used(told: Telling, story: Story) -> None:
    facts = told.story
    for composite_id in (facts.malware, facts.theft):
        found = alert(told, composite_id)
        assert (found.hostname, found.user_name, found.device_id) == (LAPTOP, "john", facts.laptop_device)
        assert story.signed_in - timedelta(minutes=30) < found.time < story.signed_in
        assert timedelta() < story.first_call - found.time < timedelta(hours=1)
        assert found.external_ip == story.usual_ip
    assert alert(told, facts.theft).upn == story.email


def test_the_sign_in_is_an_identity_alert_without_a_device(told: Telling, story: Story) -> None:
    found = alert(told, told.story.identity)
    assert (found.product, found.device_id, found.hostname) == ("idp", None, None)
    assert (found.upn, found.source_ip) == (story.email, story.attacker_ip)
    assert timedelta() <= found.time - story.signed_in < timedelta(minutes=1)
    assert "device" not in found.raw


def test_the_instance_is_one_of_the_scenario(told: Telling, scenario: Scenario) -> None:
    found = alert(told, told.story.instance)
    machine = host_named(told, found.device_id)
    assert (machine.instance_id, machine.cloud_account) == (told.story.instance_id, scenario.production.id)
    assert machine.cloud_provider == "AWS_EC2_V2"
    workload = next(each for each in scenario.workloads if told.story.instance_id in each.instances)
    assert (workload.account_id, workload.ip) == (scenario.production.id, machine.external_ip)


def test_the_decoys_are_what_they_are_called(told: Telling, scenario: Scenario, story: Story) -> None:
    decoys = {name: alert(told, composite_id) for name, composite_id in told.story.decoys.items()}
    assert set(decoys) == {"shared address", "namesake", "a week too early"}
    shared = decoys["shared address"]
    assert shared.hostname != LAPTOP
    assert shared.external_ip == scenario.person("john").place.office_ip
    assert shared.user_name != "john"
    namesake = decoys["namesake"]
    assert namesake.user_name == "john"
    assert namesake.logon_domain != "COMPANY"
    assert namesake.upn is not None
    assert not namesake.upn.endswith("@company.com")
    early = decoys["a week too early"]
    assert early.hostname == LAPTOP
    assert story.signed_in - early.time > timedelta(days=7)


def test_everything_is_dated_before_the_present_and_different(told: Telling, scenario: Scenario) -> None:
    alerts = [alert(told, str(each["composite_id"])) for each in told.alerts]
    assert len(alerts) == len({each.composite_id for each in alerts}) >= 37
    assert all(scenario.start <= each.time < each.created < scenario.anchor for each in alerts)
    assert len({each["device_id"] for each in told.hosts}) == len(told.hosts)
    known = {each["device_id"] for each in told.hosts}
    assert {each.device_id for each in alerts} - {None} <= known
    assert len(told.story.background) == 30


@pytest.mark.parametrize("hour", [0, 5, 11, 17, 23])
@pytest.mark.parametrize("seed", [1, 7, 99])
def test_the_story_holds_at_any_hour_and_seed(hour: int, seed: int) -> None:
    made = build_scenario(anchor=datetime(2026, 3, 1, hour, 30, tzinfo=UTC), seed=seed, records=1_000)
    happened = incident(made)
    told = tell(made, happened)
    test_the_laptop_is_hit_shortly_before_the_stolen_key_is_used(told, happened)
    test_the_decoys_are_what_they_are_called(told, made, happened)
    test_everything_is_dated_before_the_present_and_different(told, made)
    assert tell(made, happened) == told


def test_the_address_history_tells_where_the_laptop_was(told: Telling, story: Story, scenario: Scenario) -> None:
    held = Tenant(now=lambda: NOW, hosts=told.hosts, addresses=told.addresses, logins=told.logins, clients=(CLIENT,))
    with (
        FalconServer(held) as server,
        Falcon(connection_to(server.endpoint), CLIENT.secret, now=lambda: NOW, sleep=Sleeps()) as falcon,
    ):
        (laptop,) = falcon.find_hosts(LAPTOP).hosts
    assert [use.address for use in laptop.addresses] == [scenario.person("john").place.office_ip, story.usual_ip]
    assert laptop.addresses[0].last == laptop.addresses[1].first
    assert laptop.logins
    assert {login.user_name for login in laptop.logins} == {"john"}


def test_the_stand_in_knows_every_field_that_is_asked_for() -> None:
    assert {*client.HOST_FIELDS, *client.USER_FIELDS, "timestamp", "severity"} <= ALERT_FIELDS
    assert {"hostname", "device_id"} <= HOST_FIELDS


# --- the demo as it runs ---


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    with running(records=1_000, seed=7) as organisation:
        yield organisation


def test_the_demos_connection_works_out_of_the_box(up: Running) -> None:
    tested = run(up.home, "test")
    assert tested.exit_code == 0, tested.output
    with App.open(up.home) as app, falcon_of(app) as falcon:
        assert app.state.falcon.get().base_url == up.falcon_endpoint
        window = Window(up.scenario.start, up.scenario.anchor)
        read = falcon.alerts(window)
        assert read.coverage.complete
        assert len(read.alerts) == len(up.falcon.tenant.alerts)
        store = AlertStore(app.lake.root)
        store.land(read.alerts, window)
        assert store.alert(up.falcon_story.theft) == falcon.alert(up.falcon_story.theft)


def test_the_demos_secret_is_in_no_file_of_its_home(up: Running) -> None:
    (client,) = up.falcon.tenant.clients.values()
    for path in up.home.rglob("*"):
        assert not path.is_file() or client.secret.encode() not in path.read_bytes()

"""What Falcon saw of the incident: malware on john's laptop that takes his credentials, and what it must not be mixed
up with.

The laptop runs a "meeting update" that john was sent; his browser's session and the key in ~/.aws/credentials are read
and leave. A little later somebody signs in as john, and then the stolen key is used. Beside it there are a colleague's
laptop behind the office's shared address, a john of another company, an older finding on john's own laptop that has
nothing to do with it, an instance of production, and everyday noise.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from ..ids import draw
from ..incident import Story
from ..people import DOMAIN, Person
from ..scenario import Scenario
from ..workloads import Workload

LAPTOP = "LAPTOP-7"
#: Where a company works that shares nothing with ours but a first name.
_PARTNER_DOMAIN, _PARTNER_IP = "partner.example", "192.0.2.240"
_BACKGROUND = 30
_HEX = "0123456789abcdef"
_SEVERITIES = ((10, "Informational"), (30, "Low"), (50, "Medium"), (70, "High"), (90, "Critical"))


class Kind(msgspec.Struct, frozen=True):
    """What an alert is of: Falcon's name for it, tactic and technique, the command line, and how severe it is."""

    name: str
    description: str
    tactic: tuple[str, str]
    technique: tuple[str, str]
    cmdline: str
    severity: int
    type: str = "ldt"


_ACCESS, _EXECUTION = ("Credential Access", "TA0006"), ("Execution", "TA0002")
MALWARE = Kind(
    "MaliciousFile",
    "A file written to disk and run by the user matches known malware of the infostealer kind.",
    _EXECUTION, ("Malicious File", "T1204.002"),
    r'"C:\Users\john\Downloads\MeetingUpdate.exe" /silent', 70,
)  # fmt: skip
THEFT = Kind(
    "CredentialTheftFromFiles",
    "A process that is not signed read stored credentials of a browser and of command-line tools.",
    _ACCESS, ("Credentials In Files", "T1552.001"),
    r"cmd.exe /c type C:\Users\john\.aws\credentials & copy %LOCALAPPDATA%\Google\Chrome\User Data\Default\Cookies",
    90,
)  # fmt: skip
IDENTITY = Kind(
    "AnomalousGeoLocationAccess",
    "The user signed in from a country from which this user has never signed in before.",
    ("Initial Access", "TA0001"), ("Valid Accounts", "T1078"), "", 50,
    "idp-session-source-user-endpoint-target-info",
)  # fmt: skip
METADATA = Kind(
    "SuspiciousMetadataAccess",
    "A shell started by a web server asked the instance metadata service for credentials.",
    _ACCESS, ("Cloud Instance Metadata API", "T1552.005"),
    "curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/", 70,
)  # fmt: skip
_NOISE = (
    Kind("SuspiciousPowerShell", "An encoded PowerShell command was run.", _EXECUTION, ("PowerShell", "T1059.001"),
         "powershell.exe -enc SQBuAHYAbwBrAGUALQBVAHAAZABhAHQAZQA=", 50),
    Kind("AdwareFound", "A potentially unwanted program was found.", _EXECUTION, ("User Execution", "T1204"),
         r'"C:\Program Files\FreeConverter\fc.exe" --tray', 30),
    Kind("PortScan", "A process connected to many ports of other hosts.", ("Discovery", "TA0007"),
         ("Network Service Discovery", "T1046"), "nmap -sT 10.1.0.0/24", 30),
    Kind("OnSensorML", "The file's traits are those of malware; a first sight in this tenant.", _EXECUTION,
         ("Malicious File", "T1204.002"), r"C:\Users\Public\setup_x64.exe", 70),
    Kind("BlockedExploit", "An attempt to exploit a browser was blocked.", ("Initial Access", "TA0001"),
         ("Drive-by Compromise", "T1189"), "chrome.exe --type=renderer", 50),
)  # fmt: skip


class FalconStory(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of what Falcon saw; ids are composite ids of alerts. ``decoys`` are by what each is."""

    laptop: str
    laptop_device: str
    malware: str
    theft: str
    identity: str
    instance: str
    instance_id: str
    instance_account: str
    decoys: Mapping[str, str]
    background: tuple[str, ...]
    last_alert: datetime


class Telling(msgspec.Struct, frozen=True):
    """The story's facts and what the tenant holds."""

    story: FalconStory
    alerts: Sequence[Mapping[str, Any]]
    hosts: Sequence[Mapping[str, Any]]
    logins: Mapping[str, list[Mapping[str, Any]]]
    addresses: Mapping[str, list[Mapping[str, Any]]]


class _Teller:
    """Writes hosts and alerts in Falcon's shapes; everything follows from the scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(f"falcon {scenario.seed} {scenario.anchor.isoformat()}")
        self.cid = draw(scenario.seed, _HEX, 32, "falcon cid")
        self.hosts: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.logins: dict[str, list[Mapping[str, Any]]] = {}
        self.addresses: dict[str, list[Mapping[str, Any]]] = {}

    def laptop(
        self, name: str, user: str, addresses: Sequence[tuple[datetime, str]], *, domain: str = "COMPANY"
    ) -> dict[str, Any]:
        """A person's laptop; ``addresses`` are its external ones, each with when it began, oldest first."""
        host = self._host(name, addresses, domain)
        host |= {
            "platform_name": "Windows",
            "os_version": "Windows 11",
            "product_type_desc": "Workstation",
            "last_login_user": f"{domain}\\{user}",
        }
        host_id = host["device_id"]
        self.logins[host_id] = [
            {"user_name": user, "login_time": _text(self.scenario.anchor - timedelta(days=days, hours=7))}
            for days in range(6)
        ]
        return host

    def instance(self, workload: Workload) -> dict[str, Any]:
        """The first EC2 instance of a workload."""
        host = self._host(f"ip-{workload.name}", [(self.scenario.start, workload.ip)], "")
        host |= {
            "platform_name": "Linux",
            "os_version": "Amazon Linux 2023",
            "product_type_desc": "Server",
            "instance_id": workload.instances[0],
            "service_provider": "AWS_EC2_V2",
            "service_provider_account_id": workload.account_id,
            "zone_group": f"{workload.region}a",
        }
        return host

    def _host(self, name: str, addresses: Sequence[tuple[datetime, str]], domain: str) -> dict[str, Any]:
        number = len(self.hosts)
        local = f"10.77.{number // 200}.{20 + number % 200}"
        mac = f"02-00-00-00-{number // 256:02x}-{number % 256:02x}"
        host = {
            "device_id": draw(self.scenario.seed, _HEX, 32, "falcon device", name, domain),
            "cid": self.cid,
            "hostname": name,
            "machine_domain": domain,
            "local_ip": local,
            "mac_address": mac,
            "external_ip": addresses[-1][1],
            "connection_ip": local,
            "first_seen": _text(self.scenario.start),
            "last_seen": _text(self.scenario.anchor - timedelta(minutes=4)),
            "status": "normal",
            "agent_version": "7.31.20309.0",
        }
        self.hosts.append(host)
        self.addresses[host["device_id"]] = [
            {"ip_address": address, "mac_address": mac, "timestamp": _text(began)} for began, address in addresses
        ]
        return host

    def alert(self, kind: Kind, at: datetime, host: Mapping[str, Any], user: str, **fields: Any) -> str:
        """An ``epp`` alert on a host; gives its composite id."""
        body = self._alert(kind, at, str(host["device_id"]), "ind") | {
            "product": "epp",
            "agent_id": host["device_id"],
            "user_name": user,
            "user_id": _sid(user),
            "logon_domain": host["machine_domain"] or str(host["hostname"]).upper(),
            "cmdline": kind.cmdline,
            "device": {
                "device_id": host["device_id"],
                "cid": self.cid,
                "hostname": host["hostname"],
                "external_ip": host["external_ip"],
                "local_ip": host["local_ip"],
                "machine_domain": host["machine_domain"],
                "platform_name": host["platform_name"],
                "last_seen": _text(at + timedelta(minutes=1)),
            },
        }
        self.alerts.append(body | fields)
        return str(body["composite_id"])

    def identity_alert(self, at: datetime, person: Person, ip: str) -> str:
        """An ``idp`` alert on a person's sign-in, which has no device; gives its composite id."""
        body = self._alert(IDENTITY, at, self.cid, "idp") | {
            "product": "idp",
            "source_account_name": person.name,
            "source_account_domain": DOMAIN.upper(),
            "source_account_upn": person.email,
            "source_account_object_sid": _sid(person.name),
            "source_endpoint_ip_address": ip,
            "source_endpoint_address_ip4": ip,
            "sso_application_identifier": "AWS IAM Identity Center",
            "location_country_code": "NL",
        }
        self.alerts.append(body)
        return str(body["composite_id"])

    def _alert(self, kind: Kind, at: datetime, origin: str, indicator: str) -> dict[str, Any]:
        number = draw(self.scenario.seed, "0123456789", 16, "falcon alert", kind.name, at.isoformat(), origin)
        severity = next(name for least, name in reversed(_SEVERITIES) if kind.severity >= least)
        created = at + timedelta(seconds=self.random.randrange(4, 40))
        return {
            "composite_id": f"{self.cid}:{indicator}:{origin}:{number[:10]}-{number[10:13]}-{number[13:]}",
            "id": f"{indicator}:{origin}:{number[:10]}-{number[10:13]}-{number[13:]}",
            "cid": self.cid,
            "name": kind.name,
            "display_name": kind.name,
            "description": kind.description,
            "type": kind.type,
            "severity": kind.severity,
            "severity_name": severity,
            "status": "new",
            "tactic": kind.tactic[0],
            "tactic_id": kind.tactic[1],
            "technique": kind.technique[0],
            "technique_id": kind.technique[1],
            "timestamp": _text(at),
            "context_timestamp": _text(at),
            "created_timestamp": _text(created, nanoseconds=True),
            "updated_timestamp": _text(created, nanoseconds=True),
            "show_in_ui": True,
        }


def tell(scenario: Scenario, incident: Story) -> Telling:
    """What Falcon holds of a scenario's incident and of everything around it."""
    teller = _Teller(scenario)
    john = scenario.person("john")
    colleague = next(
        person
        for person in scenario.people
        if person.place.office_ip == john.place.office_ip and person.name not in ("john", "jane")
    )
    month = scenario.start
    laptop = teller.laptop(
        LAPTOP,
        john.name,
        [
            (month, john.place.office_ip),
            (incident.signed_in - timedelta(hours=7), john.home_ip),
        ],
    )
    malware = teller.alert(MALWARE, incident.signed_in - timedelta(minutes=19), laptop, john.name)
    theft = teller.alert(
        THEFT, incident.signed_in - timedelta(minutes=16), laptop, john.name, user_principal=john.email
    )
    identity = teller.identity_alert(incident.signed_in + timedelta(seconds=11), john, incident.attacker_ip)

    workload = next(each for each in scenario.workloads if each.name == "bastion")
    server = teller.instance(workload)
    instance = teller.alert(METADATA, incident.first_call - timedelta(hours=2), server, "ec2-user")

    shared = teller.laptop("LAPTOP-23", colleague.name, [(month, colleague.place.office_ip)])
    namesake = teller.laptop("JOHN-PC", "john", [(month, _PARTNER_IP)], domain="PARTNER")
    decoys = {
        "shared address": teller.alert(MALWARE, incident.signed_in - timedelta(minutes=24), shared, colleague.name),
        "namesake": teller.alert(
            THEFT,
            incident.signed_in - timedelta(minutes=12),
            namesake,
            "john",
            user_principal=f"john@{_PARTNER_DOMAIN}",
        ),
        "a week too early": teller.alert(_NOISE[1], incident.signed_in - timedelta(days=8), laptop, john.name),
    }
    background = _background(teller, {"john", "jane", colleague.name})
    return Telling(
        story=FalconStory(
            laptop=LAPTOP,
            laptop_device=str(laptop["device_id"]),
            malware=malware,
            theft=theft,
            identity=identity,
            instance=instance,
            instance_id=workload.instances[0],
            instance_account=workload.account_id,
            decoys=decoys,
            background=background,
            last_alert=incident.signed_in + timedelta(seconds=11),
        ),
        alerts=teller.alerts,
        hosts=teller.hosts,
        logins=teller.logins,
        addresses=teller.addresses,
    )


def _background(teller: _Teller, taken: set[str]) -> tuple[str, ...]:
    """Everyday alerts of other people's laptops, over the whole period."""
    scenario, random = teller.scenario, teller.random
    others = [person for person in scenario.people if person.name not in taken]
    owners = random.sample(others, 12)
    laptops = [
        (person, teller.laptop(f"LAPTOP-{100 + number}", person.name, [(scenario.start, person.home_ip)]))
        for number, person in enumerate(owners)
    ]
    ids = []
    for number in range(_BACKGROUND):
        person, laptop = laptops[number % len(laptops)]
        at = scenario.start + timedelta(
            seconds=random.randrange(int((scenario.anchor - timedelta(hours=1) - scenario.start).total_seconds()))
        )
        ids.append(teller.alert(random.choice(_NOISE), at, laptop, person.name))
    return tuple(ids)


def _sid(user: str) -> str:
    return f"S-1-5-21-1004336348-1177238915-682003330-{1100 + sum(map(ord, user))}"


def _text(instant: datetime, *, nanoseconds: bool = False) -> str:
    """As Falcon writes times: to the second, or to the nanosecond where the service itself made them."""
    plain = instant.astimezone(UTC)
    return (
        plain.strftime("%Y-%m-%dT%H:%M:%S.") + f"{plain.microsecond:06d}417Z"
        if nanoseconds
        else (plain.strftime("%Y-%m-%dT%H:%M:%SZ"))
    )

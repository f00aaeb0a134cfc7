"""CloudTrail records as text: a caller's part and a call's part, joined; and the rarer records written out singly.

Field order and shapes follow record version 1.11:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from .actions import GLOBAL_SERVICES, VARIANTS, Action, Variant, denial, fresh, variants
from .ids import BASE32
from .inventory import inventory
from .scenario import Scenario

VERSION = "1.11"
_TLS = '{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"'
_FAILURES = {
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchBucketPolicy": "The bucket policy does not exist",
    "NoSuchEntityException": "The requested entity cannot be found.",
    "ResourceNotFoundException": "The requested resource does not exist.",
    "ResourceAlreadyExistsException": "The specified log stream already exists",
    "ParameterNotFound": "The parameter was not found.",
    "ValidationException": "Stack with id webshop does not exist",
}
_MINUTES = [f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECONDS = [f"{second:02d}Z" for second in range(60)]


class Recorded(NamedTuple):
    """One record: when it happened (seconds since 1970), where it was recorded, and its JSON."""

    seconds: int
    account_id: str
    region: str
    body: bytes


class Caller:
    """Who calls: the credentials' identity and where the calls come from.

    ``identities`` are the userIdentity elements that the calls show: most sessions have several, because
    the console takes a new key for each service, and not every service notes ``onBehalfOf``.
    """

    __slots__ = (
        "account_id", "agent", "arn", "command_line", "console", "heads", "identity", "ip", "read_only", "region",
        "service", "vpc_endpoint",
    )  # fmt: skip

    def __init__(
        self,
        *identities: dict[str, Any],
        arn: str,
        account_id: str,
        region: str,
        ip: str,
        agent: str,
        console: bool = False,
        read_only: bool = False,
        service: bool = False,
        vpc_endpoint: str = "",
    ) -> None:
        self.identity = identities[0]
        self.heads = tuple(
            f'{{"eventVersion":"{VERSION}","userIdentity":{dump(identity)},"eventTime":"' for identity in identities
        )
        self.arn = arn
        self.account_id = account_id
        self.region = region
        self.ip = ip
        self.agent = agent
        self.command_line = agent.startswith("aws-cli/")
        self.console = console
        self.read_only = read_only
        self.service = service
        self.vpc_endpoint = vpc_endpoint


class Single:
    """A record that is written out by itself; its time is filled in when it is emitted, and its ids if it has none."""

    __slots__ = ("account_id", "region", "text")

    def __init__(self, account_id: str, region: str, text: str) -> None:
        self.account_id = account_id
        self.region = region
        self.text = text

    def body(self, seconds: int, random: Random) -> bytes:
        """The record at an instant."""
        request, event = new_ids(random)
        text = self.text.replace("<time>", instant(seconds), 1).replace("<request>", request, 1)
        return text.replace("<event>", event, 1).encode()


def dump(value: Any) -> str:
    """JSON as AWS writes it: without spaces, and characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def instant(seconds: int) -> str:
    """An eventTime."""
    day, rest = divmod(seconds, 86400)
    text = _day_text.get(day)
    if text is None:
        text = _day_text[day] = datetime.fromtimestamp(day * 86400, UTC).strftime("%Y-%m-%dT")
    minute, second = divmod(rest, 60)
    return text + _MINUTES[minute] + _SECONDS[second]


_day_text: dict[int, str] = {}


def locale_time(seconds: int) -> str:
    """A time as STS and IAM answer it: ``Nov 24, 2026, 3:02:11 AM``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment:%Y}, {hour}:{moment:%M:%S} {moment:%p}"


def new_ids(random: Random) -> tuple[str, str]:
    """A new request id and a new event id."""
    d = f"{random.getrandbits(256):064x}"
    return (
        f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:32]}",
        f"{d[32:40]}-{d[40:44]}-4{d[45:48]}-b{d[49:52]}-{d[52:]}",
    )


def session_key(random: Random) -> str:
    """A new temporary access key id."""
    return "ASIADEMO" + "".join(random.choices(BASE32, k=12))


def single(
    *,
    identity: dict[str, Any],
    source: str,
    name: str,
    account_id: str,
    region: str,
    ip: str,
    agent: str,
    request: Any = None,
    response: Any = None,
    error: tuple[str, str] | None = None,
    additional: dict[str, Any] | None = None,
    resources: list[dict[str, Any]] | None = None,
    details: dict[str, Any] | None = None,
    read: bool = False,
    event_type: str = "AwsApiCall",
    event_id: str = "<event>",
    request_id: str = "<request>",
    shared_id: str = "",
    host: str = "",
    console: bool = False,
) -> Single:
    """One record, from its parts. ``source`` is without ``.amazonaws.com``; no ``host`` means no tlsDetails."""
    record: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": identity,
        "eventTime": "<time>",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": ip,
        "userAgent": agent,
    }
    if error:
        record |= {"errorCode": error[0], "errorMessage": error[1]}
    record |= {"requestParameters": request, "responseElements": response}
    if additional:
        record["additionalEventData"] = additional
    record |= {"requestID": request_id, "eventID": event_id, "readOnly": read}
    if resources:
        record["resources"] = resources
    record |= {"eventType": event_type, "managementEvent": True, "recipientAccountId": account_id}
    if shared_id:
        record["sharedEventID"] = shared_id
    if details:
        record["serviceEventDetails"] = details
    record["eventCategory"] = "Management"
    if host:
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host,
        }
    if console:
        record["sessionCredentialFromConsole"] = "true"
    return Single(account_id, region, dump(record))


class _Call(NamedTuple):
    """What is the same in every record of one action in one account and Region."""

    before: str
    variants: tuple[Variant, ...]
    additional: str
    tail: str
    tls: str
    slot: int
    fresh: bool


class Writer:
    """Writes the records of calls. Two writers of one scenario and part write the same."""

    def __init__(self, scenario: Scenario, part: str) -> None:
        self._scenario = scenario
        self._random = Random(f"{part} {scenario.seed} {scenario.anchor.isoformat()}")
        self._calls: dict[tuple[str, str, str, str], _Call] = {}

    def _call(self, action: Action, account_id: str, region: str) -> _Call:
        at = inventory(self._scenario, account_id, region)
        rendered = variants(action, at, self._scenario.seed)
        additional = ""
        if action.service == "s3":
            token = "".join(Random(f"{action.name} {account_id}").choices(BASE32, k=60))
            additional = (
                ',"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256",'
                '"bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader",'
                f'"x-amz-id-2":"{token}=","bytesTransferredOut":<size>}}'
            )
        return _Call(
            before=(
                f'","eventSource":"{action.source}","eventName":"{action.name}","awsRegion":"{region}","sourceIPAddress":"'
            ),
            variants=rendered,
            additional=additional,
            tail=f',"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account_id}"',
            tls=f',"tlsDetails":{_TLS}{action.host(region)}"}}',
            slot=sum(action.service.encode()),
            fresh=any("<" in variant.request + variant.response for variant in rendered),
        )

    def write(self, seconds: int, caller: Caller, action: Action) -> Recorded:
        """One call, as recorded; some fail."""
        random = self._random
        region = "us-east-1" if action.service in GLOBAL_SERVICES else caller.region
        key = (action.service, action.name, caller.account_id, region)
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = self._call(action, caller.account_id, region)
        variant = call.variants[int(random.random() * VARIANTS)]
        request, response = variant.request, variant.response
        error = ""
        chance = random.random()
        if chance < 0.012 or (caller.read_only and not action.read):
            code, message = _failure(caller, action, chance)
            error = f'","errorCode":"{code}","errorMessage":{dump(message)}'
            response = "null"
        if call.fresh:
            request, response = fresh(request, random), fresh(response, random)
        request_id, event_id = new_ids(random)
        additional = call.additional
        agent = f"{caller.agent} md/command#{action.command}" if caller.command_line else caller.agent
        if additional:
            request_id = request_id.replace("-", "").upper()[:16]
            agent = agent if caller.console or caller.service else f"[{agent}]"
            additional = additional.replace("<size>", str(200 + int(random.random() * 900)))
        resources = f',"resources":{variant.resources}' if variant.resources else ""
        endpoint = ""
        if caller.vpc_endpoint:
            endpoint = f',"vpcEndpointId":"{caller.vpc_endpoint}","vpcEndpointAccountId":"{caller.account_id}"'
        body = (
            f"{caller.heads[call.slot % len(caller.heads)]}{instant(seconds)}{call.before}{caller.ip}"
            f'","userAgent":"{agent}{error or chr(34)},"requestParameters":{request},"responseElements":{response}'
            f'{additional},"requestID":"{request_id}","eventID":"{event_id}",'
            f'"readOnly":{"true" if action.read else "false"}{resources}{call.tail}{endpoint}'
            f',"eventCategory":"Management"{"" if caller.service else call.tls}'
            f"{_CONSOLE if caller.console else '}'}"
        )
        return Recorded(seconds, caller.account_id, region, body.encode())

    def write_single(self, seconds: int, record: Single) -> Recorded:
        """A record that was written out by itself, at an instant."""
        return Recorded(seconds, record.account_id, record.region, record.body(seconds, self._random))


_CONSOLE = ',"sessionCredentialFromConsole":"true"}'


def _failure(caller: Caller, action: Action, chance: float) -> tuple[str, str]:
    if caller.read_only and not action.read:
        return denial(action, caller.arn)
    if chance < 0.002:
        if action.service == "ec2":
            return "Client.RequestLimitExceeded", "Request limit exceeded."
        return "ThrottlingException", "Rate exceeded"
    if chance < 0.006 and action.failure:
        return action.failure, _FAILURES[action.failure]
    return denial(action, caller.arn)

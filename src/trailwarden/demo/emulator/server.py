"""The emulator's server: its public face, and the way of a request through it."""

import functools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import responses as reasons
from typing import Any, Self

import boto3
import botocore.session
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from . import cloudtrail, credential_report, ec2, iam, iam_reports, organizations, sso, sts, wafv2
from .authenticate import authenticate
from .authorize import authorize
from .call import Answer, Call, Refusal, read_call
from .world import Caller, Credential, Fault, IdentityCenter, Root, World, empty_moto, moto_application

Operation = Callable[[World, Call, Caller], Answer]
#: Signing name → operation → what answers instead of moto.
_OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "cloudtrail": cloudtrail.OPERATIONS,
    "sts": sts.OPERATIONS,
    "iam": {**iam.OPERATIONS, **iam_reports.OPERATIONS, **credential_report.OPERATIONS},
    "ec2": ec2.OPERATIONS,
    "account": ec2.ACCOUNT_OPERATIONS,
    "sso": sso.OPERATIONS,
}
#: Signing name → what every operation of the service goes through.
_WHOLE_SERVICES: Mapping[str, Operation] = {
    "organizations": organizations.checked,
    "wafv2": wafv2.checked,
    "sso": sso.checked,
    "identitystore": sso.of_identity_store,
}
_UNSIGNED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
_DEFAULT_ACCOUNT = "123456789012"


class _QuietHandler(MotoRequestHandler):  # type: ignore[misc]  # moto publishes no types
    def log_request(self, code: object = "-", size: object = "-") -> None:
        """A line for each request would bury what the demo and the tests print."""


@functools.cache
def _service_models() -> Any:
    """One loader of botocore's service models for all sessions: each would read the same megabytes again."""
    return botocore.session.Session().get_component("data_loader")


class _AimedSession(botocore.session.Session):  # type: ignore[misc]  # botocore publishes no types
    """A botocore session whose clients go to one endpoint unless told otherwise."""

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint
        self.register_component("data_loader", _service_models())

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["endpoint_url"] = kwargs.get("endpoint_url") or self._endpoint
        return super().create_client(*args, **kwargs)


class Emulator:
    """AWS on 127.0.0.1. A context manager; several may run in a process, one after another.

    ``port`` 0 takes a free one. ``now`` is the time of sessions and of event history (moto stamps what it creates with
    the real time). ``strict=False`` accepts every key and authorises every call. ``lookup_rate`` is how many
    LookupEvents calls a second an account and Region answers (AWS: 2), None for any number; ``clock`` measures it, in
    seconds. ``delivery_delay`` is how long an event takes to appear in event history. ``faults`` may be filled and
    emptied at any time.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        now: Callable[[], datetime] | None = None,
        strict: bool = True,
        lookup_rate: float | None = 2,
        clock: Callable[[], float] = time.monotonic,
        delivery_delay: timedelta = timedelta(0),
    ) -> None:
        self._port = port
        self._world = World(
            now=now or (lambda: datetime.now(UTC)),
            clock=clock,
            strict=strict,
            lookup_rate=lookup_rate,
            delivery_delay=delivery_delay,
        )
        #: Calls that fail, looked through in order.
        self.faults: list[Fault] = self._world.faults
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The URL of every service, once started."""
        if self._server is None:
            raise RuntimeError("the emulator is not running; call start() first")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Self:
        """Empty moto and serve. Events, faults and Regions may be set before. Raises OSError when the port is taken."""
        empty_moto()
        self._server = make_server("127.0.0.1", self._port, self._serve, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving, close the port, and empty moto and the emulator."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None
        self._world.reset()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def session(self, account: str, *, region: str = "us-east-1", user: str | None = None) -> boto3.Session:
        """A boto3 session aimed at the endpoint: the account's administrator, or an existing IAM user.

        The administrator is an IAM user with full access that no IAM list shows; service control policies bind it.
        A user's first active access key is used; one without any gets one. Raises LookupError for an unknown user.
        """
        key, secret = self._key(account, user)
        return self.session_with(key, secret, region=region)

    def session_with(
        self, access_key_id: str, secret: str, token: str | None = None, *, region: str = "us-east-1"
    ) -> boto3.Session:
        """A boto3 session with the given credentials, aimed at the endpoint."""
        return boto3.Session(
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name=region,
            botocore_session=_AimedSession(self.endpoint),
        )

    def environment(self, account: str, *, region: str = "us-east-1", user: str | None = None) -> dict[str, str]:
        """Environment variables that aim any AWS SDK at the endpoint, with the credentials of ``session``."""
        key, secret = self._key(account, user)
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def put_events(self, account: str, region: str, records: Iterable[bytes | dict[str, Any]]) -> int:
        """Add CloudTrail records to an account's event history in a Region; returns how many it now shows.

        Only management events are shown (event history holds no others), and only those of the last 90 days.
        """
        history = self._world.history(account, region)
        with self._world.lock:
            return history.put(records)

    def enable_region(self, account: str, region: str, *, enabled: bool = True) -> None:
        """Enable or disable a Region in an account; opt-in Regions start disabled, as in AWS."""
        self._world.opted[account, region] = enabled

    def enable_identity_center(
        self,
        account: str,
        region: str = "us-east-1",
        *,
        instance_arn: str | None = None,
        identity_store_id: str | None = None,
    ) -> IdentityCenter:
        """Enable IAM Identity Center: for the organisation in its management account, else for the account alone."""
        return sso.enable(self._world, account, region, instance_arn=instance_arn, identity_store_id=identity_store_id)

    def disable_person(self, identity_store_id: str, user_id: str) -> None:
        """Disable a user of an identity store, as its console and SCIM can."""
        self._world.disabled_people.add((identity_store_id, user_id))

    def set_root(self, account: str, root: Root) -> None:
        """What there is of an account's root user; at first neither MFA nor a key, and it never signed in."""
        self._world.roots[account] = root

    def expire_sessions(self, account: str | None = None) -> None:
        """Let every session of an account (or of all) expire now."""
        world = self._world
        with world.lock:
            for key, held in list(world.credentials.items()):
                if held.token is not None and account in (None, held.caller.account):
                    expired = Credential(held.access_key_id, held.secret, held.token, held.caller, world.now())
                    world.credentials[key] = expired

    def _key(self, account: str, user: str | None) -> tuple[str, str]:
        if user is None:
            credential = self._world.admin(account)
            return credential.access_key_id, credential.secret
        backend = self._world.iam(account)
        held = backend.users.get(user)
        if held is None:
            raise LookupError(f"account {account} has no IAM user {user!r}")
        key = next((key for key in held.access_keys if key.status == "Active"), None) or backend.create_access_key(user)
        return str(key.access_key_id), str(key.secret_access_key)

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith("/moto-api"):
            if path == "/moto-api/reset":
                self._world.reset()
            application: Iterable[bytes] = moto_application()(environ, start_response)
            return application
        call = read_call(environ)
        try:
            answer = self._answer(call)
        except Refusal as refusal:
            answer = call.error(refusal)
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "status"]
        if not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{answer.status} {reasons.get(answer.status, 'Status')}", headers)
        return [answer.body]

    def _answer(self, call: Call) -> Answer:
        world = self._world
        if call.signature is None and call.operation in _UNSIGNED:
            return world.moto(call)
        caller = self._caller(call)
        call.account = caller.account
        try:
            return self._authorised(call, caller)
        finally:
            world.mark_used(call, caller)

    def _authorised(self, call: Call, caller: Caller) -> Answer:
        world = self._world
        world.raise_fault(call)
        if world.strict:
            authorize(world, call, caller)
        operation = _OPERATIONS.get(call.service, {}).get(call.operation) or _WHOLE_SERVICES.get(call.service)
        return operation(world, call, caller) if operation else world.moto(call)

    def _caller(self, call: Call) -> Caller:
        world = self._world
        if world.strict:
            return authenticate(world, call).caller
        known = world.find_credential(call.signature.access_key_id) if call.signature else None
        return (known or world.admin(_DEFAULT_ACCOUNT)).caller

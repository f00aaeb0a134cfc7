"""One request as AWS's protocols spell it, and one answer: parsing, serialising, and errors of each protocol."""

import hashlib
import io
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import NotFound, get_service_router
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import MultiDict

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
#: X-Amz-Target's prefix, where the signing name is not the name of the service's model.
_MODEL_OF_TARGET = {"SWBExternalService": "sso-admin", "AWSIdentityStore": "identitystore"}
_MODEL_OF_SIGNING_NAME = {"monitoring": "cloudwatch", "email": "ses", "elasticloadbalancing": "elbv2"}

#: A refusal's kind → protocol → (code, HTTP status). The codes are those that the services really send.
_SPELLINGS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "denied": {
        "query": ("AccessDenied", 403),
        "ec2": ("UnauthorizedOperation", 403),
        "json": ("AccessDeniedException", 400),
        "rest-json": ("AccessDeniedException", 403),
        "rest-xml": ("AccessDenied", 403),
    },
    "throttled": {
        "query": ("Throttling", 400),
        "ec2": ("RequestLimitExceeded", 503),
        "json": ("ThrottlingException", 400),
        "rest-json": ("TooManyRequestsException", 429),
        "rest-xml": ("SlowDown", 503),
    },
    "expired": {
        "query": ("ExpiredToken", 403),
        "ec2": ("RequestExpired", 400),
        "json": ("ExpiredTokenException", 400),
        "rest-json": ("ExpiredTokenException", 403),
        "rest-xml": ("ExpiredToken", 400),
    },
    "unknown key": {
        "query": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
        "json": ("UnrecognizedClientException", 400),
        "rest-json": ("UnrecognizedClientException", 403),
        "rest-xml": ("InvalidAccessKeyId", 403),
    },
    "bad signature": {
        "query": ("SignatureDoesNotMatch", 403),
        "ec2": ("AuthFailure", 401),
        "json": ("InvalidSignatureException", 400),
        "rest-json": ("InvalidSignatureException", 403),
        "rest-xml": ("SignatureDoesNotMatch", 403),
    },
    "unsigned": {
        "query": ("MissingAuthenticationToken", 403),
        "ec2": ("AuthFailure", 401),
        "json": ("MissingAuthenticationTokenException", 400),
        "rest-json": ("MissingAuthenticationTokenException", 403),
        "rest-xml": ("AccessDenied", 403),
    },
}
_MESSAGES = {
    "denied": "Access denied.",
    "throttled": "Rate exceeded",
    "expired": "The security token included in the request is expired",
    "unknown key": "The security token included in the request is invalid.",
    "bad signature": (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details."
    ),
    "unsigned": "Request is missing Authentication Token",
}
_EC2_CREDENTIALS = "AWS was not able to validate the provided access credentials"


class Refusal(Exception):  # noqa: N818 - an answer of the service, not a fault of the emulator
    """The service refuses the call: AWS's error code, message and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Signature:
    """What a SigV4 Authorization header claims."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass
class Call:
    """A request: which operation of which service, in which Region, and with whose key. Parameters are read on demand.

    ``service`` is the signing name ("iam", "s3"); ``protocol`` one of query, ec2, json, rest-json, rest-xml;
    ``operation`` is empty when no operation of the service fits. ``account`` is the caller's, once authenticated.
    """

    environ: dict[str, Any]
    body: bytes
    signature: Signature | None
    service: str
    region: str
    protocol: str
    operation: str
    path_parameters: dict[str, Any] = field(default_factory=dict)
    account: str = ""

    @property
    def action(self) -> str:
        """The IAM action, as policies name it: ``service:Operation``."""
        return f"{self.service}:{self.operation}"

    @property
    def token(self) -> str | None:
        """The session token sent with the request."""
        sent: str | None = self.environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        return sent

    @property
    def model_name(self) -> str:
        """The botocore name of the service."""
        prefix = str(self.environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[0]
        return _MODEL_OF_TARGET.get(prefix) or _MODEL_OF_SIGNING_NAME.get(self.service, self.service)

    @cached_property
    def operation_model(self) -> Any:
        """The botocore model of the operation. Raises Refusal for an operation that the service does not have."""
        try:
            return get_service_model(self.model_name).operation_model(self.operation)
        except OperationNotFoundError:
            raise Refusal("InvalidAction", f"The action {self.operation} is not valid for this web service.") from None

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters by their names in the service's model."""
        if self.protocol in ("query", "ec2"):
            values = MultiDict(parse_qsl(self.body.decode(), keep_blank_values=True))
            parsed = PROTOCOL_PARSERS[self.protocol](self.operation_model).parse({"values": values})
            return dict(parsed)
        if self.protocol == "rest-xml":
            return dict(self.path_parameters)
        try:
            sent = json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise Refusal("SerializationException", f"The body is not JSON: {error}") from None
        return {**sent, **self.path_parameters}

    def get(self, name: str, default: Any = None) -> Any:
        """One parameter."""
        value = self.params.get(name)
        return default if value is None else value

    def answer(self, result: Mapping[str, Any], *, transformers: Mapping[str, Any] | None = None) -> Answer:
        """A success. ``result`` holds plain values or moto's objects, by the names of the operation's output shape."""
        request_id = str(uuid.uuid4())
        if self.protocol == "json":
            # Most calls of the event history come this way: encoding directly is many times faster than by shape.
            headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id}
            return Answer(200, headers, msgspec.json.encode(result))
        serializer = get_serializer_class(self.model_name, self.protocol)
        picker = XFormedAttributePicker(response_transformers=dict(transformers or {}))
        response = serializer(self.operation_model, value_picker=picker).serialize(result)
        body = response["body"]
        headers = {**response["headers"], "x-amzn-RequestId": request_id}
        return Answer(response["status_code"], headers, body.encode() if isinstance(body, str) else body)

    def refuse(self, kind: str, message: str | None = None) -> Refusal:
        """A refusal of a general kind, with the code that this call's protocol gives it."""
        code, status = _SPELLINGS[kind][self.protocol]
        if message is None:
            message = _EC2_CREDENTIALS if code == "AuthFailure" else _MESSAGES[kind]
        return Refusal(code, message, status)

    def error(self, refusal: Refusal) -> Answer:
        """A refusal in the protocol of this call."""
        request_id, code, message = str(uuid.uuid4()), refusal.code, refusal.message
        if self.environ.get("REQUEST_METHOD") == "HEAD":
            return Answer(refusal.status, {"x-amzn-RequestId": request_id}, b"")
        if self.protocol in ("json", "rest-json"):
            content_type = "application/x-amz-json-1.1" if self.protocol == "json" else "application/json"
            headers = {"Content-Type": content_type, "x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
            return Answer(refusal.status, headers, msgspec.json.encode({"__type": code, "message": message}))
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if self.protocol == "ec2":
            error = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        elif self.protocol == "rest-xml":
            error = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
        else:
            sender = "Sender" if refusal.status < 500 else "Receiver"
            error = (
                f"<ErrorResponse><Error><Type>{sender}</Type>{error}</Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        body = f'<?xml version="1.0" encoding="UTF-8"?>{error}'.encode()
        return Answer(refusal.status, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, body)


def read_call(environ: dict[str, Any]) -> Call:
    """Parse a WSGI request; its body is read, and put back for whoever reads it next."""
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    body: bytes = stream.read(int(length)) if length else (stream.read() if _chunked(environ) else b"")
    environ["wsgi.input"] = io.BytesIO(body)
    if _chunked(environ):
        environ["CONTENT_LENGTH"] = str(len(body))
    signature = _signature(environ)
    service, region = (signature.service.lower(), signature.region) if signature else ("s3", "us-east-1")
    call = Call(environ, body, signature, service, region, "rest-json", "")
    target = environ.get("HTTP_X_AMZ_TARGET")
    form = str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
    if target:
        call.protocol, call.operation = "json", str(target).rpartition(".")[2]
    elif form and (action := dict(parse_qsl(body.decode(errors="replace"))).get("Action")):
        if signature is None:
            call.service = "sts"  # only federation calls of STS come unsigned
        call.protocol, call.operation = ("ec2" if call.service == "ec2" else "query"), action
    else:
        call.protocol = "rest-xml" if call.service == "s3" else "rest-json"
        try:
            matched, call.path_parameters = get_service_router(call.model_name).match(Request({**environ}))
            call.operation = str(matched.name)
        except (NotFound, NotImplementedError, UnknownServiceError):
            call.operation = ""  # left to moto, which knows addresses that no model has
        finally:
            environ["wsgi.input"] = io.BytesIO(body)
    return call


def _chunked(environ: Mapping[str, Any]) -> bool:
    return str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower() == "chunked"


def _signature(environ: Mapping[str, Any]) -> Signature | None:
    found = _AUTHORIZATION.match(str(environ.get("HTTP_AUTHORIZATION", "")))
    if found is None:
        return None
    return Signature(
        access_key_id=found["key"],
        date=found["date"],
        region=found["region"],
        service=found["service"],
        signed_headers=tuple(found["headers"].split(";")),
        signature=found["signature"],
    )


def digest(values: Iterable[Any]) -> str:
    """A short digest of JSON values, for tokens that are bound to their request."""
    return hashlib.sha256(msgspec.json.encode(list(values))).hexdigest()[:24]

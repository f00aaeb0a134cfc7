"""AWS's errors and the SDK's, mapped to the exception tree in one place.

    with aws_errors("iam:GetRole", account="111111111111", region="us-east-1"):
        client.get_role(RoleName="Trailwarden")

Common codes: https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
Reasons in access-denied messages: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from ..errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    RegionDisabled,
    Throttled,
    Unreachable,
)

PolicyKind = Literal["identity", "resource", "trust", "boundary", "session", "scp", "rcp", "vpce"]
#: Longest text of AWS that is passed on; messages carry names that a caller chose.
MESSAGE_LIMIT = 600


class Rule(msgspec.Struct, frozen=True):
    """What one kind of failure becomes: the error raised, and what to do about it."""

    error: type[AwsError]
    remedy: str


_OWN_CREDENTIALS = "give this installation credentials: AWS_PROFILE, an instance role, or `aws sso login`"
_SIGN_IN = "sign in again: `aws sso login` or `aws login`, or fetch new credentials, then repeat the command"
CLOCK_REMEDY = "set this machine's clock: AWS refuses requests signed more than 5 minutes off (timedatectl, chronyc)"
_NETWORK = "check the network, the proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL; then repeat the command"
_SLOW_DOWN = "wait a minute and repeat the command, or narrow the time, the Regions or the accounts"
_PERMISSION = "allow {operation} in a policy of the role; `trailwarden accounts policy` prints what is needed"
_REGION = "enable the Region in the account (Account > AWS Regions), or leave it out with --region"
_SDK_SETTINGS = "correct the AWS configuration (~/.aws/config and the AWS_ variables)"
_DAMAGED = "repeat the command; if it happens again, a proxy between here and AWS changes what passes through it"
_SDK = "update boto3 and botocore together (`pip install -U boto3`); if it stays, report it with the command's --debug"
_REQUEST = "check the names and ids that were given; AWS does not accept one of them"
_SERVICE = "AWS's side failed; repeat the command in a few minutes, and see https://health.aws.amazon.com"
_EXISTS = "check the name, the account and the Region"

_ACCESS_DENIED = Rule(AccessDenied, _PERMISSION)
_THROTTLED = Rule(Throttled, _SLOW_DOWN)
_EXPIRED = Rule(ExpiredCredentials, _SIGN_IN)
_NO_CREDENTIALS = Rule(NoCredentials, _OWN_CREDENTIALS)
_UNKNOWN_KEY = Rule(
    ExpiredCredentials,
    "AWS does not know the access key: it was deleted or made inactive, its session token is missing, or it belongs "
    "to another partition (aws, aws-cn, aws-us-gov), or the Region is not enabled. Fetch new credentials",
)
_WRONG_SIGNATURE = Rule(
    NoCredentials,
    "the secret key does not belong to the access key id, or this machine's clock is wrong: check both",
)
_SKEWED = Rule(AwsError, CLOCK_REMEDY)
_NOT_FOUND = Rule(NotFound, _EXISTS)
_REGION_DISABLED = Rule(RegionDisabled, _REGION)
_UNREACHABLE = Rule(Unreachable, _NETWORK)
_BAD_SETTINGS = Rule(AwsError, _SDK_SETTINGS)
_BAD_REQUEST = Rule(AwsError, _REQUEST)
_SDK_FAILED = Rule(AwsError, _SDK)
_ANSWER_DAMAGED = Rule(Unreachable, _DAMAGED)
_SERVICE_FAILED = Rule(AwsError, _SERVICE)
_QUOTA = Rule(AwsError, "a quota of the account is used up: free some of it, or ask for more under Service Quotas")

#: AWS error code -> what it means. Codes that are not in here are matched by ``_CODE_PATTERNS``.
CODES: Mapping[str, Rule] = {
    "AccessDenied": _ACCESS_DENIED,
    "AccessDeniedException": _ACCESS_DENIED,
    "UnauthorizedOperation": _ACCESS_DENIED,
    "Client.UnauthorizedOperation": _ACCESS_DENIED,
    "UnauthorizedException": _ACCESS_DENIED,
    "UnauthorizedAccess": _ACCESS_DENIED,
    "AuthorizationError": _ACCESS_DENIED,
    "AuthorizationErrorException": _ACCESS_DENIED,
    "NotAuthorized": _ACCESS_DENIED,
    "NotAuthorizedException": _ACCESS_DENIED,
    "Forbidden": _ACCESS_DENIED,
    "ForbiddenException": _ACCESS_DENIED,
    # The body of a refusal that the SDK could not read, and of HEAD requests: the HTTP status is the code.
    "403": _ACCESS_DENIED,
    "404": _NOT_FOUND,
    "400": _BAD_REQUEST,
    "500": _SERVICE_FAILED,
    "502": _SERVICE_FAILED,
    "503": _THROTTLED,
    "504": _SERVICE_FAILED,
    "429": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "ThrottledException": _THROTTLED,
    "RequestThrottled": _THROTTLED,
    "RequestThrottledException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "BandwidthLimitExceeded": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "ProvisionedThroughputExceededException": _THROTTLED,
    "PriorRequestNotComplete": _THROTTLED,
    "EC2ThrottledException": _THROTTLED,
    "SlowDown": _THROTTLED,
    "LimitExceeded": _QUOTA,
    "LimitExceededException": _QUOTA,
    "ServiceQuotaExceededException": _QUOTA,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "UnauthorizedSSOTokenError": _EXPIRED,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidToken": _UNKNOWN_KEY,
    "AuthFailure": _UNKNOWN_KEY,
    "NotSignedUp": _UNKNOWN_KEY,
    "MissingAuthenticationToken": _NO_CREDENTIALS,
    "MissingAuthenticationTokenException": _NO_CREDENTIALS,
    "IncompleteSignature": _WRONG_SIGNATURE,
    "IncompleteSignatureException": _WRONG_SIGNATURE,
    "SignatureDoesNotMatch": _WRONG_SIGNATURE,
    "InvalidSignatureException": _WRONG_SIGNATURE,
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "RequestInTheFuture": _SKEWED,
    "OptInRequired": _REGION_DISABLED,
    "RegionDisabledException": _REGION_DISABLED,
    "NoSuchEntity": _NOT_FOUND,
    "NoSuchEntityException": _NOT_FOUND,
    "NoSuchBucket": _NOT_FOUND,
    "NoSuchKey": _NOT_FOUND,
    "NoSuchVersion": _NOT_FOUND,
    "NoSuchUpload": _NOT_FOUND,
    "WAFNonexistentItemException": _NOT_FOUND,
    "ServiceUnavailable": _SERVICE_FAILED,
    "ServiceUnavailableException": _SERVICE_FAILED,
    "InternalFailure": _SERVICE_FAILED,
    "InternalError": _SERVICE_FAILED,
    "InternalServerError": _SERVICE_FAILED,
    "InternalServerException": _SERVICE_FAILED,
    "InternalServiceError": _SERVICE_FAILED,
    "ServiceFailure": _SERVICE_FAILED,
    "RequestTimeout": _UNREACHABLE,
    "RequestTimeoutException": _UNREACHABLE,
}
_CODE_PATTERNS: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"Throttl|RateExceeded|TooManyRequests"), _THROTTLED),
    (re.compile(r"AccessDenied|UnauthorizedOperation|AccessDeniedFault"), _ACCESS_DENIED),
    (re.compile(r"ExpiredToken"), _EXPIRED),
    (re.compile(r"NotFound|^NoSuch|DoesNotExist"), _NOT_FOUND),
    (re.compile(r"^Internal|ServiceUnavailable"), _SERVICE_FAILED),
)

#: Exception of botocore -> what it means. A class that is not in here goes by its nearest base class that is.
EXCEPTIONS: Mapping[str, Rule] = {
    # Nobody to sign for
    "NoCredentialsError": _NO_CREDENTIALS,
    "NoAuthTokenError": _NO_CREDENTIALS,
    "PartialCredentialsError": Rule(NoCredentials, "give both halves of the key (and the token of a temporary one)"),
    "UnknownCredentialError": _NO_CREDENTIALS,
    "ProfileNotFound": Rule(NoCredentials, "name a profile that `aws configure list-profiles` shows"),
    "CredentialRetrievalError": Rule(
        NoCredentials, "see why the credential process, the instance role or the web identity fails, and repeat"
    ),
    "MetadataRetrievalError": Rule(
        NoCredentials, "the instance or container gave no credentials: check its role and the metadata hop limit"
    ),
    "InvalidIMDSEndpointError": _BAD_SETTINGS,
    "InvalidIMDSEndpointModeError": _BAD_SETTINGS,
    "RefreshWithMFAUnsupportedError": Rule(
        ExpiredCredentials, "a profile with mfa_serial cannot be renewed without a person: fetch a new session for it"
    ),
    # Signed in once, not any more
    "TokenRetrievalError": _EXPIRED,
    "UnknownTokenProviderError": _BAD_SETTINGS,
    "SSOError": _EXPIRED,
    "SSOTokenLoadError": _EXPIRED,
    "UnauthorizedSSOTokenError": _EXPIRED,
    "LoginError": _EXPIRED,
    "LoginRefreshRequired": _EXPIRED,
    "LoginInsufficientPermissions": Rule(
        NoCredentials, "have `signin:*OAuth2*` allowed for the user, then `aws login`"
    ),
    "LoginTokenLoadError": _EXPIRED,
    "LoginAuthorizationCodeError": _EXPIRED,
    # No way there
    "HTTPClientError": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "EndpointConnectionError": _UNREACHABLE,
    "SSLError": Rule(Unreachable, "trust the proxy's certificate (AWS_CA_BUNDLE), and check this machine's clock"),
    "ConnectionClosedError": _UNREACHABLE,
    "ReadTimeoutError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "ProxyConnectionError": Rule(Unreachable, "check HTTPS_PROXY and NO_PROXY; the proxy does not answer"),
    "InvalidProxiesConfigError": _BAD_SETTINGS,
    # Arrived damaged
    "ResponseStreamingError": _ANSWER_DAMAGED,
    "IncompleteReadError": _ANSWER_DAMAGED,
    "ChecksumError": _ANSWER_DAMAGED,
    "FlexibleChecksumError": _ANSWER_DAMAGED,
    "AwsChunkedWrapperError": _ANSWER_DAMAGED,
    "UnseekableStreamError": _SDK_FAILED,
    "EventStreamError": _SERVICE_FAILED,
    # Asked too fast
    "CapacityNotAvailableError": _THROTTLED,
    # Where
    "NoRegionError": Rule(AwsError, "say which Region: AWS_REGION, or region in ~/.aws/config"),
    "UnknownRegionError": Rule(AwsError, "check the Region's name, for instance eu-central-1"),
    "InvalidRegionError": Rule(AwsError, "check the Region's name, for instance eu-central-1"),
    "ServiceNotInRegionError": Rule(RegionDisabled, "the service is not offered in this Region: leave it out"),
    "BaseEndpointResolverError": _BAD_SETTINGS,
    "UnknownEndpointError": Rule(RegionDisabled, "the service is not offered in this Region: leave it out"),
    "UnknownFIPSEndpointError": _BAD_SETTINGS,
    "EndpointVariantError": _BAD_SETTINGS,
    "EndpointProviderError": _BAD_SETTINGS,
    "EndpointResolutionError": _BAD_SETTINGS,
    "UnknownEndpointResolutionBuiltInName": _SDK_FAILED,
    "InvalidEndpointConfigurationError": _BAD_SETTINGS,
    "InvalidEndpointDiscoveryConfigurationError": _BAD_SETTINGS,
    "InvalidHostLabelError": _BAD_REQUEST,
    "InvalidDNSNameError": _BAD_REQUEST,
    # Settings
    "ConfigParseError": _BAD_SETTINGS,
    "ConfigNotFound": _BAD_SETTINGS,
    "InvalidConfigError": _BAD_SETTINGS,
    "InfiniteLoopConfigError": _BAD_SETTINGS,
    "InvalidDefaultsMode": _BAD_SETTINGS,
    "InvalidRetryConfigurationError": _BAD_SETTINGS,
    "InvalidMaxRetryAttemptsError": _BAD_SETTINGS,
    "InvalidRetryModeError": _BAD_SETTINGS,
    "InvalidChecksumConfigError": _BAD_SETTINGS,
    "InvalidS3AddressingStyleError": _BAD_SETTINGS,
    "InvalidS3UsEast1RegionalEndpointConfigError": _BAD_SETTINGS,
    "InvalidSTSRegionalEndpointsConfigError": _BAD_SETTINGS,
    "UnsupportedS3ConfigurationError": _BAD_SETTINGS,
    "UnsupportedS3ControlConfigurationError": _BAD_SETTINGS,
    "UnsupportedS3AccesspointConfigurationError": _BAD_SETTINGS,
    "UnknownSignatureVersionError": _BAD_SETTINGS,
    "UnsupportedSignatureVersionError": _BAD_SETTINGS,
    # What was asked
    "ValidationError": _BAD_REQUEST,
    "ParamValidationError": _BAD_REQUEST,
    "MissingParametersError": _BAD_REQUEST,
    "UnknownKeyError": _BAD_REQUEST,
    "RangeError": _BAD_REQUEST,
    "UnknownParameterError": _BAD_REQUEST,
    "AliasConflictParameterError": _BAD_REQUEST,
    "UnsupportedS3ArnError": _BAD_REQUEST,
    "UnsupportedS3ControlArnError": _BAD_REQUEST,
    "UnsupportedOutpostResourceError": _BAD_REQUEST,
    "PaginationError": _SERVICE_FAILED,
    "WaiterError": Rule(AwsError, "AWS is not done yet, or it failed: look at the resource, then repeat"),
    # The SDK itself
    "BotoCoreError": _SDK_FAILED,
    "DataNotFoundError": _SDK_FAILED,
    "UnknownServiceError": _SDK_FAILED,
    "ApiVersionNotFoundError": _SDK_FAILED,
    "UnknownServiceStyle": _SDK_FAILED,
    "UnsupportedServiceProtocolsError": _SDK_FAILED,
    "OperationNotPageableError": _SDK_FAILED,
    "InvalidExpressionError": _SDK_FAILED,
    "WaiterConfigError": _SDK_FAILED,
    "UnknownClientMethodError": _SDK_FAILED,
    "MD5UnavailableError": _SDK_FAILED,
    "MissingDependencyException": Rule(AwsError, "install the package that the message names (`botocore[crt]`)"),
    "StubResponseError": _SDK_FAILED,
    "StubAssertionError": _SDK_FAILED,
    "UnStubbedResponseError": _SDK_FAILED,
    "UndefinedModelAttributeError": _SDK_FAILED,
    "MissingServiceIdError": _SDK_FAILED,
}


class Denial(msgspec.Struct, frozen=True):
    """Why AWS refused, as far as its message says.

    ``policy`` is the kind of policy that decided, None where the message does not say; ``explicit`` tells
    a Deny statement from a missing Allow; ``policy_arn`` names the policy where AWS does.
    """

    policy: PolicyKind | None = None
    explicit: bool = False
    policy_arn: str | None = None


_NOT_IN_CODE = re.compile(r"[^\w.:-]", re.ASCII)
_SIGNED_AT_ANOTHER_TIME = re.compile(r"signature (?:not yet current|expired)", re.IGNORECASE)
_POLICY_KINDS: Mapping[str, PolicyKind] = {
    "identity-based policy": "identity",
    "resource-based policy": "resource",
    "role trust policy": "trust",
    "trust policy": "trust",
    "permissions boundary": "boundary",
    "session policy": "session",
    "service control policy": "scp",
    "resource control policy": "rcp",
    "vpc endpoint policy": "vpce",
}
_KINDS = "|".join(sorted(_POLICY_KINDS, key=len, reverse=True))
_DENIAL = re.compile(
    rf"(?:because no|with an explicit deny in (?:an?|the)) (?P<kind>{_KINDS})(?:: (?P<arn>arn:[^\s,;]+))?",
    re.IGNORECASE,
)
DENIAL_REMEDIES: Mapping[PolicyKind, str] = {
    "identity": "allow {operation} in a policy attached to the principal that the message names",
    "resource": "allow {operation} to the principal that the message names in the resource's own policy",
    "trust": "let the role's trust policy name this installation's principal and its External ID",
    "boundary": "the permissions boundary of the principal that the message names leaves {operation} out: extend it",
    "session": "the session policy of the caller's own session leaves {operation} out: start a session without it",
    "scp": "a service control policy of the organisation denies it: ask who manages the organisation for an exception",
    "rcp": "a resource control policy of the organisation denies it: ask who manages the organisation for an exception",
    "vpce": "the policy of the VPC endpoint denies it: allow {operation} there, or go around the endpoint",
}


def parse_denial(message: str) -> Denial:
    """What an access-denied message tells about the policy that decided."""
    found = _DENIAL.search(message)
    if found is None:
        return Denial()
    return Denial(
        policy=_POLICY_KINDS[found["kind"].lower()],
        explicit="explicit deny" in found[0].lower(),
        policy_arn=found["arn"].rstrip(".") if found["arn"] else None,
    )


def rule_for_code(code: str) -> Rule:
    """What an AWS error code means; an unknown one is an AwsError that says to check what was asked."""
    known = CODES.get(code)
    if known is not None:
        return known
    return next((rule for pattern, rule in _CODE_PATTERNS if pattern.search(code)), _BAD_REQUEST)


def rule_for_exception(kind: type[BaseException]) -> Rule:
    """What an exception class of botocore means: its own entry, else that of its nearest base class."""
    return next((EXCEPTIONS[base.__name__] for base in kind.__mro__ if base.__name__ in EXCEPTIONS), _SDK_FAILED)


def error_code(response: Mapping[str, Any]) -> str:
    """AWS's error code in a ClientError's ``response``, without the shape prefix of some JSON services."""
    code = str(response.get("Error", {}).get("Code", ""))
    return _NOT_IN_CODE.sub("", code.rsplit("#", 1)[-1])[:100]


@contextmanager
def aws_errors(operation: str, *, account: str | None = None, region: str | None = None) -> Iterator[None]:
    """Turn what the SDK raises inside the block into an AwsError.

    ``operation`` is ``service:Operation`` as IAM writes it (``iam:GetRole``); ``account`` and ``region`` say where.
    Errors of this program pass unchanged.

    Raises:
        AwsError: or the subclass that fits; the SDK's exception is its cause, AWS's request id a note on it.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise from_client_error(error.response, operation=operation, account=account, region=region) from error
    except BotoCoreError as error:
        rule, code = rule_for_exception(type(error)), type(error).__name__
        raise _error(rule, code, str(error), operation=operation, account=account, region=region) from error


def from_client_error(
    response: Mapping[str, Any], *, operation: str, account: str | None = None, region: str | None = None
) -> AwsError:
    """The error for AWS's answer, as a ClientError carries it in ``response``."""
    code = error_code(response)
    message = str(response.get("Error", {}).get("Message", ""))
    rule = rule_for_code(code)
    if rule is _WRONG_SIGNATURE and _SIGNED_AT_ANOTHER_TIME.search(message):
        rule = _SKEWED
    if rule.error is AccessDenied:
        denial = parse_denial(message)
        if denial.policy is not None:
            rule = Rule(AccessDenied, DENIAL_REMEDIES[denial.policy])
    error = _error(rule, code, message, operation=operation, account=account, region=region)
    if request_id := str(response.get("ResponseMetadata", {}).get("RequestId", "")):
        error.add_note(f"AWS request id {request_id}")
    return error


def is_clock_skew(error: AwsError) -> bool:
    """Whether AWS refused because this machine's clock is wrong."""
    return error.remedy == CLOCK_REMEDY


def _error(rule: Rule, code: str, message: str, *, operation: str, account: str | None, region: str | None) -> AwsError:
    where = (f" in account {account}" if account else "") + (f" in {region}" if region else "")
    said = " ".join(message.split()) or "no reason given"
    if len(said) > MESSAGE_LIMIT:
        said = said[: MESSAGE_LIMIT - 1] + "…"
    return rule.error(
        f"{operation} failed{where}: {said} ({code or 'no code'})",
        remedy=rule.remedy.format(operation=operation),
        code=code,
        operation=operation,
        account=account,
        region=region,
    )

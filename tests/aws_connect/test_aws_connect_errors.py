"""Foreign errors, mapped in one table that leaves nothing out."""

import inspect

import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from trailwarden.aws.errors import (
    CODES,
    DENIAL_REMEDIES,
    EXCEPTIONS,
    MESSAGE_LIMIT,
    aws_errors,
    from_client_error,
    is_clock_skew,
    parse_denial,
    rule_for_exception,
)
from trailwarden.errors import (
    AccessDenied,
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    RegionDisabled,
    Throttled,
    Unreachable,
    UsageError,
)

SDK_ERRORS = [
    kind
    for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)
    if issubclass(kind, Exception)
    and not issubclass(kind, Warning)
    and kind.__module__ == "botocore.exceptions"
    and kind is not ClientError
]


def answer(code: str, message: str = "no", status: int = 400) -> dict[str, object]:
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"RequestId": "req-1", "HTTPStatusCode": status},
    }


def mapped(code: str, message: str = "no") -> AwsError:
    return from_client_error(answer(code, message), operation="iam:GetRole")


@pytest.mark.parametrize("kind", SDK_ERRORS, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_sdk_has_an_entry_of_its_own_and_a_remedy(kind: type[Exception]) -> None:
    assert kind.__name__ in EXCEPTIONS
    rule = rule_for_exception(kind)
    assert issubclass(rule.error, AwsError)
    assert len(rule.remedy) > 10


def test_no_entry_is_of_an_exception_that_the_sdk_does_not_have() -> None:
    assert set(EXCEPTIONS) == {kind.__name__ for kind in SDK_ERRORS}


def test_a_new_exception_goes_by_its_base_class() -> None:
    class FutureTimeoutError(EndpointConnectionError):  # type: ignore[misc]
        pass

    assert rule_for_exception(FutureTimeoutError).error is Unreachable


@pytest.mark.parametrize("code", CODES)
def test_every_code_gives_its_error_with_a_remedy(code: str) -> None:
    error = mapped(code)
    assert type(error) is CODES[code].error
    assert error.remedy
    assert "{" not in error.remedy
    assert error.code == code
    assert error.__notes__ == ["AWS request id req-1"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", AccessDenied),
        ("AccessDeniedException", AccessDenied),
        ("403", AccessDenied),
        ("Client.UnauthorizedOperation", AccessDenied),
        ("com.amazonaws.cloudtrail#ThrottlingException", Throttled),
        ("Throttling.User", Throttled),
        ("ExpiredTokenException", ExpiredCredentials),
        ("InvalidClientTokenId", ExpiredCredentials),
        ("UnrecognizedClientException", ExpiredCredentials),
        ("SignatureDoesNotMatch", NoCredentials),
        ("OptInRequired", RegionDisabled),
        ("RegionDisabledException", RegionDisabled),
        ("NoSuchEntity", NotFound),
        ("TrailNotFoundException", NotFound),
        ("InvalidInstanceID.NotFound", NotFound),
        ("SomethingNew", AwsError),
        ("", AwsError),
    ],
)
def test_codes(code: str, kind: type[AwsError]) -> None:
    assert type(mapped(code)) is kind


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"])
def test_clock_skew(code: str) -> None:
    assert is_clock_skew(mapped(code))


def test_a_signature_of_another_time_is_the_clock_and_not_the_secret() -> None:
    assert is_clock_skew(
        mapped("SignatureDoesNotMatch", "Signature expired: 20261124T0 is now earlier than 20261124T1")
    )
    assert not is_clock_skew(mapped("SignatureDoesNotMatch", "The request signature we calculated does not match"))


def test_where_and_what_are_in_the_message() -> None:
    said = "iam:GetRole failed in account 111111111111 in eu-west-1: no"
    where = aws_errors("iam:GetRole", account="111111111111", region="eu-west-1")
    with pytest.raises(AccessDenied, match=said) as caught, where:
        raise ClientError(answer("AccessDenied"), "GetRole")
    assert isinstance(caught.value.__cause__, ClientError)
    assert (caught.value.account, caught.value.region) == ("111111111111", "eu-west-1")
    assert "iam:GetRole" in caught.value.remedy


def test_the_sdks_own_errors_are_mapped_and_this_programs_pass() -> None:
    with pytest.raises(Unreachable) as caught, aws_errors("sts:AssumeRole"):
        raise EndpointConnectionError(endpoint_url="https://sts.invalid")
    assert caught.value.code == "EndpointConnectionError"
    mine = UsageError("mine")
    with pytest.raises(UsageError) as passed, aws_errors("sts:AssumeRole"):
        raise mine
    assert passed.value is mine
    with pytest.raises(AwsError), aws_errors("sts:AssumeRole"):
        raise BotoCoreError


USER = "User: arn:aws:sts::111111111111:assumed-role/R/s is not authorized to perform: iam:ListRoles"


@pytest.mark.parametrize(
    ("said", "policy", "explicit", "arn"),
    [
        ("because no identity-based policy allows the iam:ListRoles action", "identity", False, None),
        ("with an explicit deny in an identity-based policy", "identity", True, None),
        ("because no resource-based policy allows the iam:ListRoles action", "resource", False, None),
        ("with an explicit deny in a resource-based policy", "resource", True, None),
        ("because no permissions boundary allows the iam:ListRoles action", "boundary", False, None),
        ("with an explicit deny in a permissions boundary", "boundary", True, None),
        ("because no session policy allows the iam:ListRoles action", "session", False, None),
        ("because no service control policy allows the iam:ListRoles action", "scp", False, None),
        (
            "with an explicit deny in a service control policy: arn:aws:organizations::111111111111:policy/o-1/x/p-1",
            "scp",
            True,
            "arn:aws:organizations::111111111111:policy/o-1/x/p-1",
        ),
        ("with an explicit deny in a resource control policy", "rcp", True, None),
        ("because no VPC endpoint policy allows the iam:ListRoles action", "vpce", False, None),
        ("because no role trust policy allows the sts:AssumeRole action", "trust", False, None),
        ("with an explicit deny in the role trust policy", "trust", True, None),
        ("", None, False, None),
    ],
)
def test_why_aws_denied(said: str, policy: str | None, explicit: bool, arn: str | None) -> None:
    denial = parse_denial(f"{USER} on resource: arn:aws:iam::111111111111:role/ {said}")
    assert (denial.policy, denial.explicit, denial.policy_arn) == (policy, explicit, arn)
    if denial.policy is not None:
        assert mapped("AccessDenied", f"{USER} {said}").remedy == DENIAL_REMEDIES[denial.policy].format(
            operation="iam:GetRole"
        )


@given(st.text(max_size=3000), st.text(max_size=40))
def test_whatever_aws_says_becomes_a_bounded_message_on_one_line(message: str, code: str) -> None:
    error = mapped(code, message)
    assert "\n" not in error.message
    assert len(error.message) <= MESSAGE_LIMIT + len(code) + 60

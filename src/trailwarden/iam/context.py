"""The context of a request: what each condition key holds, that it is absent, or that it is unknown.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from .matching import UNKNOWN, Unknown
from .principals import RequestPrincipal

#: A key's values (never empty), None if the key is absent, or UNKNOWN.
Values: TypeAlias = tuple[str, ...] | Literal[Unknown.UNKNOWN] | None
#: What a caller may give for one key: a value or several; None, or none of them: known to be absent.
Given: TypeAlias = str | bool | int | float | Sequence[str] | None

#: aws:PrincipalType by kind of principal.
_TYPES = {
    "user": "User",
    "role": "AssumedRole",
    "role_session": "AssumedRole",
    "federated_user": "FederatedUser",
    "root": "Account",
    "anonymous": "Anonymous",
}


class Context:
    """Condition keys by name, whatever the case.

    Keys that follow from the principal and the resource are there by themselves (aws:PrincipalArn,
    aws:username, aws:PrincipalTag/…, aws:ResourceAccount, …); what is given explicitly wins.
    """

    __slots__ = ("_given", "_principal", "_resource_account", "_resource_tags", "_unknown", "_values")

    def __init__(
        self,
        given: Mapping[str, Given],
        *,
        principal: RequestPrincipal,
        resource_account: str | None,
        resource_tags: Mapping[str, str] | None = None,
        unknown: bool | Collection[str] = False,
    ) -> None:
        self._given = given
        self._principal = principal
        self._resource_account = resource_account
        self._resource_tags = resource_tags
        self._unknown = unknown
        self._values: dict[str, Values] | None = None

    def get(self, key: str) -> Values:
        """What the key holds."""
        values = self._values
        if values is None:
            values = self._values = self._known()
        key = key.lower()
        if key in values:
            return values[key]
        return UNKNOWN if self._is_unknown(key) else None

    def resolve(self, name: str) -> str | Literal[Unknown.UNKNOWN] | None:
        """What a policy variable stands for; a key with several values stands for nothing."""
        values = self.get(name)
        if values is None or values is UNKNOWN:
            return values
        return values[0] if len(values) == 1 else None

    def _is_unknown(self, key: str) -> bool:
        if self._unknown is False:
            return False
        if key.startswith("aws:principaltag/") and self._principal.tags is not None:
            return False
        if key.startswith("aws:resourcetag/") and self._resource_tags is not None:
            return False
        if self._unknown is True:
            return True
        return any(_covers(each.lower(), key) for each in self._unknown)

    def _known(self) -> dict[str, Values]:
        values: dict[str, Values] = dict(_derived(self._principal))
        if self._resource_account is not None:
            values["aws:resourceaccount"] = (self._resource_account,)
        for name, tag in (self._resource_tags or {}).items():
            values[f"aws:resourcetag/{name.lower()}"] = (tag,)
        for key, given in self._given.items():
            values[key.lower()] = _values(given)
        return values


def _values(given: Given) -> tuple[str, ...] | None:
    if given is None or isinstance(given, str):
        return None if given is None else (given,)
    if isinstance(given, bool | int | float):
        return (str(given).lower(),)
    return tuple(given) or None


def _covers(pattern: str, key: str) -> bool:
    """Whether ``aws:requesttag/*`` means the key."""
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def _derived(principal: RequestPrincipal) -> Iterator[tuple[str, Values]]:
    service = principal.kind == "service"
    yield "aws:principalisawsservice", ("true" if service else "false",)
    yield "aws:principalservicename", (principal.arn,) if service else None
    yield "aws:username", (principal.name,) if principal.kind == "user" and principal.name else None
    if principal.kind in _TYPES:
        yield "aws:principaltype", (_TYPES[principal.kind],)
    if principal.kind in ("service", "anonymous"):
        yield "aws:principalarn", None
        yield "aws:principalaccount", None
    elif principal.kind != "federated":
        issued = principal.kind == "role_session" and principal.issuer
        yield "aws:principalarn", (principal.issuer if issued and principal.issuer else principal.arn,)
        if principal.account is not None:
            yield "aws:principalaccount", (principal.account,)
    if principal.id is not None:
        yield "aws:userid", (principal.id,)
    for name, tag in (principal.tags or {}).items():
        yield f"aws:principaltag/{name.lower()}", (tag,)

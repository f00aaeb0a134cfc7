# ruff: noqa: ARG001 - every operation takes the same arguments
"""STS, with what moto leaves out: who may assume a role, for how long, and whose session it then is."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any, Literal

from moto.iam.models import AccessKey, Role
from moto.iam.utils import random_alphanumeric

from .authorize import context_of, decide, principal_names
from .call import Answer, Call, Refusal
from .policies import Context, allows_principal, read_policy
from .world import Caller, Credential, World, managed_document

_ROLE_ARN = re.compile(r"arn:aws:iam::\d{12}:role/[\u0021-\u007F]+")
_FORMATS = {
    "RoleSessionName": ("roleSessionName", 2, 64, r"[\w+=,.@-]*"),
    "ExternalId": ("externalId", 2, 1224, r"[\w+=,.@:\/-]*"),
    "SourceIdentity": ("sourceIdentity", 2, 64, r"[\w+=,.@-]*"),
}
_CHAINED_LIMIT = 3600
_POLICY_LIMIT = 2048


def assume_role(world: World, call: Call, caller: Caller) -> Answer:
    """AssumeRole: formats, then trust and identity policies, then the duration that the role allows."""
    duration = _validated(call)
    role_arn, session_name = call.params["RoleArn"], call.params["RoleSessionName"]
    role = world.role_by_arn(role_arn)
    source_identity = call.get("SourceIdentity") or caller.source_identity
    actions = ["sts:AssumeRole"]
    if source_identity is not None:
        actions.append("sts:SetSourceIdentity")
    if call.get("Tags"):
        actions.append("sts:TagSession")
    changed = caller.source_identity is not None and source_identity != caller.source_identity
    context = {**context_of(world, call, caller), **_assume_context(call, source_identity)}
    for action in actions:
        refused = role is None or (changed and action == "sts:SetSourceIdentity")
        if refused or not _may_assume(world, caller, role, action, context):
            raise call.refuse(
                "denied", f"User: {caller.arn} is not authorized to perform: {action} on resource: {role_arn}"
            )
    assert role is not None
    if duration > int(role.max_session_duration or _CHAINED_LIMIT):
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if caller.kind == "role" and duration > _CHAINED_LIMIT:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    caller = Caller(
        kind="role",
        account=role.account_id,
        arn=f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{session_name}",
        owner_arn=role.arn,
        user_id=f"{role.id}:{session_name}",
        name=role.name,
        session_name=session_name,
        issued=world.now(),
        source_identity=source_identity,
        session_policies=_session_policies(world, call, role),
    )
    key = _temporary_key(world, role.account_id)
    key.role_arn = role.arn  # so that moto stamps RoleLastUsed
    credential = _temporary(world, key, caller, duration)
    result: dict[str, Any] = {
        "Credentials": _shown(credential),
        "AssumedRoleUser": {"AssumedRoleId": credential.caller.user_id, "Arn": credential.caller.arn},
    }
    if credential.caller.session_policies is not None:
        result["PackedPolicySize"] = min(100, 1 + sum(map(len, credential.caller.session_policies)) * 100 // 4096)
    if source_identity is not None:
        result["SourceIdentity"] = source_identity
    return call.answer(result)


def _may_assume(world: World, caller: Caller, role: Role | None, action: str, context: Context) -> bool:
    """Trust policy and identity side together ("Policy evaluation logic", IAM User Guide)."""
    if role is None:
        return False
    named = _trusted(role, caller, action, context)
    if named is None:
        return False
    direct: Literal["", "owner", "session"] = ""
    if role.account_id == caller.account and named in (caller.arn, caller.owner_arn, caller.user_id, "*"):
        direct = "owner" if caller.kind == "role" and named == caller.owner_arn else "session"
    return decide(world, caller, action, role.arn, context, direct=direct) is None


def _trusted(role: Role, caller: Caller, action: str, context: Context) -> str | None:
    """Which name of the caller the trust policy allows, the most exact first; None when none, or when it denies."""
    names = principal_names(caller)
    found: list[str] = []
    for statement in read_policy(role.assume_role_policy_document):
        name = allows_principal(statement, names)
        if name is None or not statement.applies(action, role.arn, context):
            continue
        if statement.effect == "Deny":
            return None
        found.append(name)
    return min(found, key=names.index, default=None)


def _assume_context(call: Call, source_identity: str | None) -> Mapping[str, tuple[str, ...]]:
    context = {"sts:rolesessionname": (str(call.params["RoleSessionName"]),)}
    if (external_id := call.get("ExternalId")) is not None:
        context["sts:externalid"] = (str(external_id),)
    if source_identity is not None:
        context["sts:sourceidentity"] = (source_identity,)
    if call.get("SerialNumber") and call.get("TokenCode"):
        context["aws:multifactorauthpresent"] = ("true",)
    for tag in call.get("Tags", []):
        context[f"aws:requesttag/{tag['Key'].lower()}"] = (str(tag["Value"]),)
    return context


def _validated(call: Call) -> int:
    """Check the formats; returns the duration in seconds. Raises ValidationError in AWS's words."""
    role_arn = call.get("RoleArn")
    if not role_arn or not _ROLE_ARN.fullmatch(role_arn):
        raise _invalid(f"{role_arn} is invalid")
    if "RoleSessionName" not in call.params:
        raise _constraint(None, "roleSessionName", "Member must not be null")
    for name, (member, shortest, longest, pattern) in _FORMATS.items():
        value = call.params.get(name)
        if value is None:
            continue
        if len(value) < shortest:
            raise _constraint(value, member, f"Member must have length greater than or equal to {shortest}")
        if len(value) > longest:
            raise _constraint(value, member, f"Member must have length less than or equal to {longest}")
        if not re.fullmatch(pattern, value):
            raise _constraint(value, member, f"Member must satisfy regular expression pattern: {pattern}")
    duration = int(call.get("DurationSeconds", _CHAINED_LIMIT))
    if duration < 900:
        raise _constraint(str(duration), "durationSeconds", "Member must have value greater than or equal to 900")
    if duration > 43200:
        raise _constraint(str(duration), "durationSeconds", "Member must have value less than or equal to 43200")
    return duration


def _constraint(value: str | None, member: str, constraint: str) -> Refusal:
    shown = f"Value '{value}'" if value is not None else "Value null"
    return _invalid(f"1 validation error detected: {shown} at '{member}' failed to satisfy constraint: {constraint}")


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationError", message)


def _session_policies(world: World, call: Call, role: Role) -> tuple[str, ...] | None:
    """The session policies: inline, and managed ones of the role's account. None when the call gives none."""
    documents: list[str] = []
    inline = call.get("Policy")
    if inline is not None:
        if len(inline) > _POLICY_LIMIT:
            raise _constraint(inline, "policy", f"Member must have length less than or equal to {_POLICY_LIMIT}")
        try:
            read_policy(inline)
        except (ValueError, AttributeError, TypeError):
            raise Refusal("MalformedPolicyDocument", "This policy contains invalid Json") from None
        documents.append(inline)
    for named in call.get("PolicyArns", []):
        document = managed_document(world.iam(role.account_id), named["arn"])
        if document is None:
            raise Refusal("ValidationError", f"Policy {named['arn']} does not exist or is not attachable.")
        documents.append(document)
    return tuple(documents) if documents else None


def _temporary_key(world: World, account: str) -> AccessKey:
    return world.iam(account).create_temp_access_key()


def _temporary(world: World, key: AccessKey, caller: Caller, duration: int) -> Credential:
    expires = world.now() + timedelta(seconds=duration)
    token = f"IQoJb3JpZ2luX2Vj{random_alphanumeric(240)}="
    return world.remember(Credential(key.access_key_id, key.secret_access_key, token, caller, expires))


def _shown(credential: Credential) -> dict[str, Any]:
    assert credential.expires is not None
    return {
        "AccessKeyId": credential.access_key_id,
        "SecretAccessKey": credential.secret,
        "SessionToken": credential.token,
        "Expiration": credential.expires.astimezone(UTC).replace(tzinfo=None),
    }


def get_session_token(world: World, call: Call, caller: Caller) -> Answer:
    """GetSessionToken: a session of the calling user, with MFA when its device and a code are given."""
    if caller.issued is not None:
        raise call.refuse("denied", "Cannot call GetSessionToken with session credentials")
    duration = int(call.get("DurationSeconds", 43200))
    if not 900 <= duration <= 129600:
        raise _constraint(str(duration), "durationSeconds", "Member must have value between 900 and 129600")
    serial, user = call.get("SerialNumber"), world.user_of(caller)
    if serial is not None and (user is None or serial not in user.mfa_devices):
        raise call.refuse(
            "denied", f"MultiFactorAuthentication failed with invalid MFA one time pass code for {serial}"
        )
    key = _temporary_key(world, caller.account)
    session = Caller(
        kind=caller.kind,
        account=caller.account,
        arn=caller.arn,
        owner_arn=caller.owner_arn,
        user_id=caller.user_id,
        name=caller.name,
        issued=world.now(),
        mfa=serial is not None and bool(call.get("TokenCode")),
    )
    return call.answer({"Credentials": _shown(_temporary(world, key, session, duration))})


def get_caller_identity(world: World, call: Call, caller: Caller) -> Answer:
    """GetCallerIdentity, which needs no permission."""
    return call.answer({"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn})


def get_access_key_info(world: World, call: Call, caller: Caller) -> Answer:
    """GetAccessKeyInfo: the account is written in the key id itself, whether the key still exists or not.

    Keys of a scenario are not written so: the account that holds one is its account.
    """
    key = call.get("AccessKeyId", "")
    if not re.fullmatch(r"A[KS]IA[A-Z2-7]{16}", key):
        raise _invalid(f"Invalid AccessKeyId: {key}")
    if (held := world.account_of_key(key)) is not None:
        return call.answer({"Account": held})
    account = (int.from_bytes(base64.b32decode(key[4:])[:6], "big") & 0x7FFFFFFFFF80) >> 7
    return call.answer({"Account": f"{account:012d}"})


OPERATIONS = {
    "AssumeRole": assume_role,
    "GetSessionToken": get_session_token,
    "GetCallerIdentity": get_caller_identity,
    "GetAccessKeyInfo": get_access_key_info,
}

"""Authorisation: which policies bind the caller, which resources and context a call has, and AWS's words for a no."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from moto.s3.models import s3_backends

from .call import Call, Refusal
from .policies import Context, Effect, allows_principal, read_policy, verdict
from .resources import CREATES_SNAPSHOTS, iam_action, resources_of
from .world import ALLOW_EVERYTHING, PARTITION, Caller, World, managed_document

#: What a GetSessionToken session may not call without MFA, and what of STS it may ("GetSessionToken", STS reference).
_SESSION_TOKEN_STS = frozenset({"AssumeRole", "GetCallerIdentity"})
#: Operations that no policy is asked for, not even one that denies them.
_ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})


def authorize(world: World, call: Call, caller: Caller) -> None:
    """Raise the refusal that AWS would send, or return. STS's AssumeRole decides for itself (see sts.py)."""
    action = iam_action(call)
    if action in _ALWAYS_ALLOWED or action == "sts:AssumeRole":
        return
    if caller.kind == "user" and caller.issued is not None:
        refused_sts = call.service == "sts" and call.operation not in _SESSION_TOKEN_STS
        if refused_sts or (call.service == "iam" and not caller.mfa):
            raise call.refuse("denied", _words(caller, action, "", "because a GetSessionToken session cannot call it"))
    context = {**context_of(world, call, caller), **_request_context(call)}
    for resource in resources_of(world, call, caller):
        reason = decide(
            world, caller, action, resource, context, resource_effect=_bucket_effect(call, caller, resource)
        )
        if reason is not None:
            raise denial(call, caller, action, resource, reason)
    _authorize_tags(world, call, caller, context)


def _authorize_tags(world: World, call: Call, caller: Caller, context: Context) -> None:
    """What is tagged as it is made takes ec2:CreateTags too ("Tag-on-create", Amazon EC2 User Guide)."""
    if call.service != "ec2" or call.operation not in CREATES_SNAPSHOTS or not call.get("TagSpecifications"):
        return
    resource = f"arn:{PARTITION}:ec2:{call.region}::snapshot/*"
    given = {**context, "ec2:createaction": (call.operation,)}
    reason = decide(world, caller, "ec2:CreateTags", resource, given)
    if reason is not None:
        raise denial(call, caller, "ec2:CreateTags", resource, reason)


def decide(
    world: World,
    caller: Caller,
    action: str,
    resource: str,
    context: Context,
    *,
    resource_effect: Effect | Literal["needed"] | None = None,
    direct: Literal["", "owner", "session"] = "",
) -> str | None:
    """Why the call is refused, in AWS's words, or None when it is allowed.

    ``resource_effect`` is what the resource's own policy says ("needed": it had to allow, and does not). ``direct``
    says that a resource policy of the same account names the caller: its role or user ARN ("owner") or exactly this
    session, user or everybody ("session"); then the identity policies need not allow, and for "session" boundary and
    session policy need not either.
    """
    identity = identity_documents(world, caller)
    boundary = boundary_document(world, caller)
    scps = list(world.organisation_levels(caller.account))
    effects: list[tuple[str, Effect | None, bool]] = []  # kind of policy, its effect, whether an allow is needed
    effects += [("a service control policy", verdict(level, action, resource, context), True) for level in scps]
    identity_effect = verdict(identity, action, resource, context)
    granted = resource_effect == "Allow" or bool(direct)
    if boundary is not None:
        effects.append(("a permissions boundary", verdict([boundary], action, resource, context), direct != "session"))
    if caller.session_policies is not None:
        session = verdict(caller.session_policies, action, resource, context)
        effects.append(("a session policy", session, direct != "session"))
    effects.append(("an identity-based policy", identity_effect, not granted))
    if resource_effect == "Deny":
        return "with an explicit deny in a resource-based policy"
    for kind, effect, _ in effects:
        if effect == "Deny":
            return f"with an explicit deny in {kind}"
    for kind, effect, needed in effects:
        if needed and effect is None:
            return f"because no {kind.split(' ', 1)[1]} allows the {action} action"
    if resource_effect == "needed":
        return f"because no resource-based policy allows the {action} action"
    return None


def denial(call: Call, caller: Caller, action: str, resource: str, reason: str) -> Refusal:
    """AccessDenied in the wording of the call's service."""
    words = _words(caller, action, resource, reason)
    if call.protocol == "ec2":
        words = f"You are not authorized to perform this operation. {words}"
    return call.refuse("denied", words)


def _words(caller: Caller, action: str, resource: str, reason: str) -> str:
    on = f" on resource: {resource}" if resource not in ("", "*") else ""
    return f"User: {caller.arn} is not authorized to perform: {action}{on} {reason}"


def identity_documents(world: World, caller: Caller) -> list[str]:
    """The caller's own policies: inline, attached, and by group."""
    if caller.kind == "admin":
        return [ALLOW_EVERYTHING]
    backend = world.iam(caller.account)
    holders: list[Any] = []
    if (user := world.user_of(caller)) is not None:
        holders = [user, *backend.get_groups_for_user(user.name)]
    elif (role := world.role_of(caller)) is not None:
        holders = [role]
    documents: list[str] = []
    for holder in holders:
        documents += _inline(holder.policies)
        for arn in list(holder.managed_policies):
            if (document := managed_document(backend, arn)) is not None:
                documents.append(document)
    return documents


def _inline(policies: Any) -> list[str]:
    """Inline policies of moto's users, roles and groups."""
    return [str(document) for document in list(policies.values())]


def boundary_document(world: World, caller: Caller) -> str | None:
    """The permissions boundary of the calling user or role. One that no longer exists allows nothing."""
    holder = world.user_of(caller) or world.role_of(caller)
    bounded = getattr(holder, "permissions_boundary", None)
    if not bounded:
        return None
    arn = bounded["PermissionsBoundaryArn"]
    return managed_document(world.iam(caller.account), arn) or '{"Version":"2012-10-17","Statement":[]}'


def context_of(world: World, call: Call, caller: Caller) -> dict[str, tuple[str, ...]]:
    """The global condition keys of the call, in lower case."""
    now = world.now()
    context: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (caller.owner_arn,),
        "aws:principalaccount": (caller.account,),
        "aws:principaltype": ("AssumedRole" if caller.kind == "role" else "User",),
        "aws:userid": (caller.user_id,),
        "aws:requestedregion": (call.region,),
        "aws:currenttime": (_instant(now),),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:securetransport": ("true",),  # stands in for AWS, which is never called without TLS
        "aws:sourceip": (str(call.environ.get("REMOTE_ADDR", "127.0.0.1")),),
        "aws:useragent": (str(call.environ.get("HTTP_USER_AGENT", "")),),
        "aws:viaawsservice": ("false",),
        "aws:principalisawsservice": ("false",),
    }
    if caller.kind != "role":
        context["aws:username"] = (caller.name,)
    if caller.issued is not None:
        context["aws:tokenissuetime"] = (_instant(caller.issued),)
        context["aws:multifactorauthpresent"] = (str(bool(caller.mfa)).lower(),)
    if caller.source_identity is not None:
        context["aws:sourceidentity"] = (caller.source_identity,)
    if (organisation := world.organisation_of(caller.account)) is not None:
        context["aws:principalorgid"] = (organisation.org.id,)
    holder = world.user_of(caller) or world.role_of(caller)
    for tag in (getattr(holder, "tags", None) or []) if holder is not None else []:
        context[f"aws:principaltag/{tag['Key'].lower()}"] = (str(tag["Value"]),)
    return context


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _request_context(call: Call) -> Mapping[str, tuple[str, ...]]:
    """Condition keys that a service takes from the request's parameters."""
    if call.service != "iam":
        return {}
    context: dict[str, tuple[str, ...]] = {}
    if "PolicyArn" in call.params:
        context["iam:policyarn"] = (str(call.params["PolicyArn"]),)
    if "PermissionsBoundary" in call.params:
        context["iam:permissionsboundary"] = (str(call.params["PermissionsBoundary"]),)
    return context


def _bucket_effect(call: Call, caller: Caller, resource: str) -> Effect | Literal["needed"] | None:
    """What the policy of an S3 bucket says; of another account's bucket, its policy has to allow."""
    if call.service != "s3" or not resource.startswith(f"arn:{PARTITION}:s3:::"):
        return None
    bucket = resource.removeprefix(f"arn:{PARTITION}:s3:::").partition("/")[0]
    owner = s3_backends.bucket_accounts.get(bucket, (PARTITION, caller.account))[1]
    held = s3_backends[owner][PARTITION].buckets.get(bucket)
    effect: Effect | Literal["needed"] | None = None
    if held is not None and held.policy:
        document = held.policy.decode() if isinstance(held.policy, bytes) else str(held.policy)
        effect = resource_policy_effect(document, caller, iam_action(call), resource, {})
    if owner == caller.account or effect == "Deny":
        return effect
    return "needed" if effect is None else None  # another account's bucket: its policy and the caller's own must allow


def principal_names(caller: Caller) -> Sequence[str]:
    """How a resource policy may name the caller, the most exact first."""
    account = (f"arn:{PARTITION}:iam::{caller.account}:root", caller.account)
    own = (caller.arn,) if caller.arn == caller.owner_arn else (caller.arn, caller.owner_arn)
    return (*own, caller.user_id, "*", *account)


def resource_policy_effect(
    document: str, caller: Caller, action: str, resource: str, context: Context
) -> Effect | None:
    """What a resource policy says to the caller."""
    result: Effect | None = None
    for statement in read_policy(document):
        if allows_principal(statement, principal_names(caller)) and statement.applies(action, resource, context):
            if statement.effect == "Deny":
                return "Deny"
            result = "Allow"
    return result

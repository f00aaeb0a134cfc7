"""IAM Identity Center: who sees which instance from where, and what moto leaves out of it.

moto has an instance in every account and Region; here there are those that ``enable`` made. An organisation's is the
management account's; the members see it, and may read its identity store, but not its permission sets.
https://docs.aws.amazon.com/singlesignon/latest/userguide/manage-your-accounts.html
"""

import base64
from collections.abc import Sequence
from typing import Any

from moto.identitystore.models import identitystore_backends
from moto.ssoadmin.models import ssoadmin_backends

from .call import Answer, Call, Refusal, digest
from .world import Caller, IdentityCenter, World

_PAGE = 100
#: What members of the organisation may do in its identity store.
_READS = ("List", "Describe", "Get", "Is")


def enable(
    world: World, account: str, region: str, *, instance_arn: str | None = None, identity_store_id: str | None = None
) -> IdentityCenter:
    """Enable Identity Center in an account and Region; ids that are not given are moto's. An account has it once."""
    model = ssoadmin_backends[account][region].instances[0]
    model.instance_arn = instance_arn or model.instance_arn
    model.identity_store_id = identity_store_id or model.identity_store_id
    enabled = IdentityCenter(account, region, model.instance_arn, model.identity_store_id, float(model.created_date))
    with world.lock:
        if any(centre.account == account for centre in world.identity_centers):
            raise ValueError(f"account {account} has an instance of Identity Center already")
        world.identity_centers.append(enabled)
    return enabled


def _visible(world: World, account: str) -> list[IdentityCenter]:
    """The instances that an account owns, and its organisation's."""
    organisation = world.organisation_of(account)
    management = organisation.org.master_account_id if organisation is not None else None
    return [centre for centre in world.identity_centers if centre.account in (account, management)]


def _for_accounts(world: World, centre: IdentityCenter) -> bool:
    """Whether it has permission sets: an instance of a mere member account is for applications only."""
    organisation = world.organisation_of(centre.account)
    return organisation is None or bool(organisation.org.master_account_id == centre.account)


def _shown(centre: IdentityCenter) -> dict[str, Any]:
    return {
        "InstanceArn": centre.instance_arn,
        "IdentityStoreId": centre.identity_store_id,
        "OwnerAccountId": centre.account,
        "CreatedDate": centre.created,
        "Status": "ACTIVE",
        "PrimaryRegion": centre.region,
    }


def _page(call: Call, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """The items that MaxResults and NextToken ask for, and the token for the rest; it holds for the same request."""
    limit = int(call.get("MaxResults", _PAGE))
    if not 1 <= limit <= _PAGE:
        raise Refusal("ValidationException", f"Value '{limit}' at 'maxResults' must be between 1 and {_PAGE}")
    request = digest([call.operation, {k: v for k, v in sorted(call.params.items()) if k not in _PAGING}])
    start = 0
    if (token := call.get("NextToken")) is not None:
        given, _, offset = base64.urlsafe_b64decode(token).decode(errors="replace").partition("/")
        if given != request or not offset.isdecimal():
            raise Refusal("ValidationException", "The NextToken is not valid.")
        start = int(offset)
    end = start + limit
    if end >= len(items):
        return list(items[start:]), {}
    return list(items[start:end]), {"NextToken": base64.urlsafe_b64encode(f"{request}/{end}".encode()).decode()}


_PAGING = frozenset({"MaxResults", "NextToken"})


def list_instances(world: World, call: Call, caller: Caller) -> Answer:
    """ListInstances: of the Region that is called, or of all of them."""
    scope = call.get("RegionScope", "CURRENT_REGION")
    if scope not in ("CURRENT_REGION", "ALL_REGIONS"):
        raise Refusal("ValidationException", f"Value '{scope}' at 'regionScope' is not valid")
    seen = [c for c in _visible(world, caller.account) if scope == "ALL_REGIONS" or c.region == call.region]
    page, rest = _page(call, [_shown(centre) for centre in seen])
    return call.answer({"Instances": page, **rest})


def describe_instance(world: World, call: Call, caller: Caller) -> Answer:
    """DescribeInstance."""
    centre = _owned(world, call, caller)
    return call.answer({**_shown(centre), "PermissionSetsEnabled": _for_accounts(world, centre)})


def list_accounts_for_provisioned_permission_set(world: World, call: Call, caller: Caller) -> Answer:
    """ListAccountsForProvisionedPermissionSet: an assignment provisions the permission set in its account."""
    centre = _with_permission_sets(world, call, caller)
    model = ssoadmin_backends[centre.account][centre.region]
    arn = call.get("PermissionSetArn", "")
    if not any(each.permission_set_arn == arn for each in model.permission_sets):
        raise Refusal("ResourceNotFoundException", f"Could not find PermissionSet with id {arn.rpartition('/')[2]}")
    accounts = {each.target_id for each in model.account_assignments if each.permission_set_arn == arn}
    page, rest = _page(call, sorted(accounts))
    return call.answer({"AccountIds": page, **rest})


def checked(world: World, call: Call, caller: Caller) -> Answer:
    """Any other operation of sso-admin on an instance: in its Region, by the account that owns it."""
    _with_permission_sets(world, call, caller)
    return world.moto(call)


def _owned(world: World, call: Call, caller: Caller) -> IdentityCenter:
    arn = call.get("InstanceArn", "")
    here = [centre for centre in _visible(world, caller.account) if centre.region == call.region]
    centre = next((centre for centre in here if centre.instance_arn == arn), None)
    if centre is None:
        raise Refusal("ResourceNotFoundException", f"Could not find Instance with id {arn.rpartition('/')[2]}")
    if centre.account != caller.account:
        raise call.refuse("denied", f"User: {caller.arn} is not authorized to perform: {call.action} on {arn}")
    return centre


def _with_permission_sets(world: World, call: Call, caller: Caller) -> IdentityCenter:
    centre = _owned(world, call, caller)
    if not _for_accounts(world, centre):
        raise Refusal("ValidationException", "The operation is not supported for this Identity Center instance")
    return centre


def of_identity_store(world: World, call: Call, caller: Caller) -> Answer:
    """Any operation on an identity store: in its Region; members of the organisation may read."""
    store = call.get("IdentityStoreId", "")
    here = [centre for centre in _visible(world, caller.account) if centre.region == call.region]
    centre = next((centre for centre in here if centre.identity_store_id == store), None)
    if centre is None:
        raise Refusal("ResourceNotFoundException", f"Identity store {store} does not exist.")
    if centre.account != caller.account and not call.operation.startswith(_READS):
        raise call.refuse("denied", f"User: {caller.arn} is not authorized to perform: {call.action}")
    if call.operation not in ("ListUsers", "DescribeUser") or call.get("Filters"):
        call.account = centre.account
        return world.moto(call)
    held = identitystore_backends[centre.account][centre.region].identity_stores
    users = held[store].users if store in held else {}
    if call.operation == "DescribeUser":
        user = users.get(call.get("UserId", ""))
        if user is None:
            raise Refusal("ResourceNotFoundException", "USER not found.")
        return call.answer(_user(world, user))
    page, rest = _page(call, list(users.values()))
    return call.answer({"Users": [_user(world, user) for user in page], **rest})


def _user(world: World, user: Any) -> dict[str, Any]:
    """As moto keeps it, without what is empty, and with the status."""
    fields = {name: value._asdict() if name == "Name" and value else value for name, value in user._asdict().items()}
    status = "DISABLED" if (user.IdentityStoreId, user.UserId) in world.disabled_people else "ENABLED"
    return {name: value for name, value in fields.items() if value} | {"UserStatus": status}


OPERATIONS = {
    "ListInstances": list_instances,
    "DescribeInstance": describe_instance,
    "ListAccountsForProvisionedPermissionSet": list_accounts_for_provisioned_permission_set,
}

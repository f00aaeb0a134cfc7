"""AWS Organizations, with the refusal that moto leaves out: only the management account may look around."""

from .call import Answer, Call, Refusal
from .world import Caller, World

#: What a member account may call without being a delegated administrator ("Organizations API reference").
_FOR_MEMBERS = frozenset(
    {
        *("DescribeOrganization", "DescribeEffectivePolicy", "LeaveOrganization", "CreateOrganization"),
        *("AcceptHandshake", "DeclineHandshake", "DescribeHandshake", "ListHandshakesForAccount"),
    }
)
#: What delegated administrators may call besides.
_READS = ("Describe", "List")


def checked(world: World, call: Call, caller: Caller) -> Answer:
    """Any operation: of a member account only a few, of a delegated administrator all that read."""
    organisation = world.organisation_of(caller.account)
    if organisation is not None and call.operation not in _FOR_MEMBERS:
        manages = organisation.org.master_account_id == caller.account
        delegated = any(admin.account.id == caller.account for admin in organisation.admins)
        if not manages and not (delegated and call.operation.startswith(_READS)):
            raise Refusal("AccessDeniedException", "You don't have permissions to access this resource.")
        call.account = organisation.org.master_account_id  # where moto keeps it
    return world.moto(call)

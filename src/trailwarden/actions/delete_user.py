"""Delete an IAM user.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html and
https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta

from ..action import Action, Need, Planned, World, steps_of
from ..guardrails import Guard
from ..model.proposal import BlastItem, Call, Plan
from ._users import LISTS, READS, USERS, HeldUser, document_text, json_of, last_used, naming, read_user, standing

_GROUPS = ("arn:{partition}:iam::{account}:group/*",)
_DEVICES = ("arn:{partition}:iam::{account}:mfa/*",)
#: AWS's policies that only deny: what is left of the user is kept under them to the last.
_DENYING = ("AWSDenyAll", "AWSCompromisedKeyQuarantine")
_Steps = Iterator[tuple[Call, str, Call | None]]


class DeleteUser(Action, frozen=True, kw_only=True):
    """Delete an IAM user and everything that belongs to it, for good.

    Login profile, access keys, signing certificates, SSH public keys, service-specific credentials, MFA devices (a
    virtual one is deactivated, and deleted too), inline policies, attached policies, memberships of groups and the
    permissions boundary go first. All of it but the secrets is exported into the plan.
    """

    name = "delete_user"
    title = "Delete an IAM user"
    reads = (
        *READS,
        Need(action="iam:GetUserPolicy", resources=USERS, when="the user has an inline policy"),
        Need(action="iam:GetSSHPublicKey", resources=USERS, when="the user has an SSH public key"),
        Need(action="iam:ListVirtualMFADevices", when="the user has a virtual MFA device"),
    )
    writes = (
        *(
            Need(action=action, resources=USERS)
            for action in (
                "iam:DeleteLoginProfile",
                "iam:DeleteAccessKey",
                "iam:DeleteSigningCertificate",
                "iam:DeleteSSHPublicKey",
                "iam:DeleteServiceSpecificCredential",
                "iam:DeactivateMFADevice",
                "iam:DeleteUserPolicy",
                "iam:DetachUserPolicy",
                "iam:DeleteUserPermissionsBoundary",
                "iam:DeleteUser",
            )
        ),
        Need(action="iam:DeleteVirtualMFADevice", resources=_DEVICES),
        Need(action="iam:RemoveUserFromGroup", resources=_GROUPS),
    )
    reversible = False
    examples = ("user=john", "user=arn:aws:iam::111111111111:user/john")

    user: Annotated[str, Meta(description="The user's name or ARN.", min_length=1, max_length=600)]

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        held = read_user(world, guard, self.user)
        export = _export(world, held)
        administrator, last_one = standing(world, held.arn, held.id)
        return Planned(
            plan=Plan(
                action="delete_user",
                account=world.account,
                targets=(held.target(world.account),),
                steps=steps_of(*_credentials(held), *_rights(held), *_end(held)),
                pre_state={
                    "user": {name: value for name, value in held.user.items() if name != "PasswordLastUsed"},
                    "login_profile": held.login_profile and held.login_profile.get("CreateDate"),
                    "inline_policies": {
                        name: document_text(document) for name, document in export["inline_policies"].items()
                    },
                    **{kind: held.ids(kind) for kind in LISTS},
                },
                export=export,
                irreversible=(
                    f"{held.name} cannot be restored: one made anew under the same name is another principal.",
                    "Passwords, secret access keys and seeds of MFA devices are lost; the export has everything else.",
                ),
            ),
            arguments={"user": held.arn},
            blast_radius=(*last_used(world, held), *_hit(world, held), *last_one),
            administrator=administrator,
            notes=(
                f"revoke_sessions ends the sessions of roles that {held.name} assumed",
                f"disable_user takes the access of {held.name} away in a way that can be given back",
            ),
        )


def _credentials(held: HeldUser) -> _Steps:
    if held.login_profile is not None:
        yield held.call("iam:DeleteLoginProfile"), f"delete the password of {held.name}", None
    for kind, api, what in (
        ("access_keys", "iam:DeleteAccessKey", "access key"),
        ("signing_certificates", "iam:DeleteSigningCertificate", "signing certificate"),
        ("ssh_public_keys", "iam:DeleteSSHPublicKey", "SSH public key"),
        ("service_specific_credentials", "iam:DeleteServiceSpecificCredential", "service-specific credential"),
    ):
        for identifier in held.ids(kind):
            yield held.call(api, **{LISTS[kind][2]: identifier}), f"delete the {what} {identifier}", None
    for serial in held.ids("mfa_devices"):
        yield held.call("iam:DeactivateMFADevice", SerialNumber=serial), f"deactivate the MFA device {serial}", None
        if is_virtual(serial):
            call = Call(
                api="iam:DeleteVirtualMFADevice",
                params={"SerialNumber": serial},
                region=held.region,
                resources=(serial,),
            )
            yield call, f"delete the virtual MFA device {serial}", None


def is_virtual(serial: str) -> bool:
    """Whether an MFA device's serial number is a virtual one's, which has an ARN of ``mfa/``.

    A hardware token has a bare serial number; a security key or passkey (``u2f/``) is gone once deactivated.
    """
    return serial.startswith("arn:") and ":mfa/" in serial


def _rights(held: HeldUser) -> _Steps:
    for name in held.inline_policies:
        yield held.call("iam:DeleteUserPolicy", PolicyName=name), f"delete the inline policy {name}", None
    last: list[tuple[Call, str, Call | None]] = []
    for arn in held.ids("attached_policies"):
        policy = arn.rpartition("/")[2]
        step = held.call("iam:DetachUserPolicy", PolicyArn=arn), f"detach the policy {policy}", None
        if ":iam::aws:" in arn and policy.startswith(_DENYING):
            last.append(step)
        else:
            yield step
    for group in held.lists["groups"]:
        name = str(group["GroupName"])
        call = held.call("iam:RemoveUserFromGroup", str(group["Arn"]), GroupName=name)
        yield call, f"remove {held.name} from the group {name}", None
    if held.boundary is not None:
        yield held.call("iam:DeleteUserPermissionsBoundary"), f"remove the boundary {held.boundary}", None
    yield from last


def _end(held: HeldUser) -> _Steps:
    yield held.call("iam:DeleteUser"), f"delete the user {held.name}", None


def _export(world: World, held: HeldUser) -> Mapping[str, Any]:
    """The user's whole configuration: AWS's answers, with the documents of inline policies and the SSH keys' text."""
    policies = {
        name: json_of(world.call("iam:GetUserPolicy", UserName=held.name, PolicyName=name)["PolicyDocument"])
        for name in held.inline_policies
    }
    keys = [
        json_of(
            world.call("iam:GetSSHPublicKey", UserName=held.name, SSHPublicKeyId=identifier, Encoding="SSH")[
                "SSHPublicKey"
            ]
        )
        for identifier in held.ids("ssh_public_keys")
    ]
    return {
        "user": held.user,
        "login_profile": held.login_profile,
        "inline_policies": policies,
        **held.lists,
        "ssh_public_keys": keys,
    }


def _hit(world: World, held: HeldUser) -> Iterator[BlastItem]:
    text = f"sessions of roles that {held.name} has assumed go on until they end, for 12 hours at most"
    yield BlastItem(kind="remains", text=text)
    roles, resources = naming(world.authorization(), held.arn)
    for what, arns in (("trust policy", roles), ("policy", resources)):
        for arn in arns:
            text = f"the {what} of {arn} names this user: afterwards it names {held.id}, who is nobody"
            yield BlastItem(kind="references", text=text)

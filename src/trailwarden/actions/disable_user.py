"""Disable an IAM user.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys_revoke.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, Verification, World, steps_of
from ..guardrails import Guard
from ..model.proposal import BlastItem, Call, Plan
from ._users import (
    LISTS,
    READS,
    STATUSES,
    USERS,
    HeldUser,
    last_used,
    login_profile_of,
    naming,
    read_user,
    standing,
)

_DENY_ALL = "arn:{partition}:iam::aws:policy/AWSDenyAll"
_ONLY_DENY_ALL = {"ArnEquals": {"iam:PolicyARN": (_DENY_ALL,)}}
#: Managed policies that a user may have attached, unless the account's quota was raised.
_ATTACHED_LIMIT = 10
_KEEP, _DELETE = "keep", "delete"


class DisableUser(Action, frozen=True, kw_only=True):
    """Take an IAM user's access away, in a way that can be given back.

    Every active access key, service-specific credential, SSH public key and signing certificate is made inactive, and
    AWSDenyAll is attached, which also stops the user's sign-ins, and its sessions of GetSessionToken and
    GetFederationToken. Roles that it has assumed stay assumed until their sessions end: revoke_sessions ends them.
    """

    name = "disable_user"
    title = "Disable an IAM user"
    reads = (
        *READS,
        Need(action="iam:GetAccountSummary", when="the user has ten managed policies attached"),
    )
    writes = (
        *(Need(action=api, resources=USERS) for api, _, _ in STATUSES.values()),
        Need(action="iam:AttachUserPolicy", resources=USERS, condition=_ONLY_DENY_ALL),
        Need(action="iam:DetachUserPolicy", resources=USERS, condition=_ONLY_DENY_ALL, when="to undo it"),
        Need(action="iam:DeleteLoginProfile", resources=USERS, when="password=delete"),
    )
    reversible = True
    examples = ("user=john", "user=john password=delete", "user=arn:aws:iam::111111111111:user/john")

    user: Annotated[str, Meta(description="The user's name or ARN.", min_length=1, max_length=600)]
    deny: Annotated[bool, Meta(description="Attach AWSDenyAll.")] = True
    password: Annotated[
        str,
        Meta(
            description="keep (it is of no use under the deny), or delete (irreversible).",
            pattern=f"^({_KEEP}|{_DELETE})$",
        ),
    ] = _KEEP

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        held = read_user(world, guard, self.user)
        if not self.deny and self.password == _KEEP and held.login_profile is not None:
            raise Refused(
                f"{held.name} has a password, and could go on signing in with it",
                remedy="leave deny=true, or delete the password: password=delete",
            )
        keys, *others = STATUSES
        calls = [
            *self._inactive(held, keys),
            *self._denied(world, held),  # before what is worth less, and may fail
            *self._inactive(held, *others),
            *self._without_password(held),
        ]
        if not calls:
            raise Refused(f"{held.name} is already disabled", remedy="to remove the user altogether: delete_user")
        administrator, last_one = standing(world, held.arn, held.id)
        roles, _ = naming(world.authorization(), held.arn)
        deleting = self.password == _DELETE and held.login_profile is not None
        return Planned(
            plan=Plan(
                action="disable_user",
                account=world.account,
                targets=(held.target(world.account),),
                steps=steps_of(*calls),
                pre_state={
                    "arn": held.arn,
                    "login_profile": held.login_profile and held.login_profile.get("CreateDate"),
                    "attached_policies": held.ids("attached_policies"),
                    **{kind: held.statuses(kind) for kind in STATUSES},
                },
                irreversible=(f"The password of {held.name} is lost: it takes a new one.",) if deleting else (),
            ),
            arguments={**msgspec.to_builtins(self), "user": held.arn},
            blast_radius=(*last_used(world, held), *self._hit(held), *last_one),
            administrator=administrator,
            notes=(
                f"revoke_sessions ends the sessions of roles that {held.name} assumed"
                + (f"; these trust it by name: {', '.join(roles)}" if roles else ""),
                "IAM takes seconds, at times minutes, until a change holds in every Region",
            ),
        )

    def verify(self, world: World, plan: Plan) -> Verification:
        """As `Action.verify`; and nothing that the user got meanwhile is active."""
        seen = super().verify(world, plan)
        if not seen.ok:
            return seen
        name = plan.targets[0].name
        active = [
            f"{what} {each[LISTS[kind][2]]}"
            for kind, (_, _, what) in STATUSES.items()
            for each in world.items(LISTS[kind][0], LISTS[kind][1], UserName=name)
            if each["Status"] == "Active"
        ]
        if not self.deny and login_profile_of(world, name) is not None:
            active.append("a password")
        if active:
            return Verification(ok=False, detail=f"read back, active since the plan was made: {', '.join(active)}")
        return seen

    def _inactive(self, held: HeldUser, *kinds: str) -> Iterator[tuple[Call, str, Call | None]]:
        for kind in kinds:
            api, parameter, what = STATUSES[kind]
            for identifier, status in held.statuses(kind).items():
                if status == "Active":
                    yield (
                        held.call(api, **{parameter: identifier, "Status": "Inactive"}),
                        f"make the {what} {identifier} inactive",
                        held.call(api, **{parameter: identifier, "Status": "Active"}),
                    )

    def _denied(self, world: World, held: HeldUser) -> Iterator[tuple[Call, str, Call | None]]:
        policy = _DENY_ALL.format(partition=world.partition)
        attached = held.ids("attached_policies")
        if not self.deny or policy in attached:
            return
        if len(attached) >= _ATTACHED_LIMIT:
            quota = world.call("iam:GetAccountSummary")["SummaryMap"]["AttachedPoliciesPerUserQuota"]
            if len(attached) >= quota:
                raise Refused(
                    f"{held.name} has {len(attached)} managed policies attached, as many as the quota allows: "
                    "AWSDenyAll does not fit",
                    remedy="detach one (detach_admin_policies), or disable without it: deny=false password=delete",
                )
        yield (
            held.call("iam:AttachUserPolicy", PolicyArn=policy),
            f"attach AWSDenyAll to {held.name}",
            held.call("iam:DetachUserPolicy", PolicyArn=policy),
        )

    def _without_password(self, held: HeldUser) -> Iterator[tuple[Call, str, Call | None]]:
        if self.password == _DELETE and held.login_profile is not None:
            yield held.call("iam:DeleteLoginProfile"), f"delete the password of {held.name}", None

    def _hit(self, held: HeldUser) -> Iterator[BlastItem]:
        text = f"sessions of roles that {held.name} has assumed go on until they end, for 12 hours at most"
        yield BlastItem(kind="remains", text=text)
        if not self.deny:
            text = (
                f"without AWSDenyAll, sessions that {held.name} made with GetSessionToken or GetFederationToken, and a "
                "console that is signed in, go on until they end, for 36 hours at most"
            )
            yield BlastItem(kind="remains", text=text, grave=True)
        if groups := held.ids("groups"):
            what = "overrules what they allow" if self.deny else "is not there to overrule what they allow"
            text = f"{held.name} stays in {', '.join(groups)}; the deny {what}"
            yield BlastItem(kind="inherited", text=text)

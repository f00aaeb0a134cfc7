"""Detach the policies that make an administrator of a user, role or group.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_manage-attach-detach.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_job-functions.html
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, Verification, World, steps_of
from ..errors import NotFound
from ..guardrails import Guard
from ..model.arn import Arn
from ..model.authorization import AuthorizationSnapshot
from ..model.policy import AccountAuthorization
from ..model.proposal import BlastItem, Call, Plan, Target
from ..model.time import format_instant
from ._admin import (
    ADMIN_POLICIES,
    KINDS,
    Holding,
    Principal,
    Standing,
    as_read,
    find_principal,
    holdings,
    reads_of,
    resources,
    standing_after,
    way_in_words,
    without,
)
from ._users import document_text, json_of, naming, tags_of

_AWS = "arn:{partition}:iam::aws:policy/"
_POLICIES = (f"{_AWS}*", "arn:{partition}:iam::{account}:policy/*")
_THREE = {"ArnEquals": {"iam:PolicyARN": tuple(f"{_AWS}{name}" for name in ADMIN_POLICIES)}}
_OTHER = {"ArnNotEquals": _THREE["ArnEquals"]}
_WHEN = {"User": "the principal is a user", "Role": "the principal is a role", "Group": "the principal is a group"}
#: What a user's groups hold is read for the user too, and users in a group for what protects them.
_READ_WHEN = {
    **{
        f"iam:{api}": f"{_WHEN['Group']}, or a user in one"
        for api in ("ListAttachedGroupPolicies", "ListGroupPolicies", "GetGroupPolicy")
    },
    "iam:GetUser": f"{_WHEN['User']}, or a group and tags protect its members",
}
_Calls = Iterator[tuple[Call, str, Call | None]]


class DetachAdminPolicies(Action, frozen=True, kw_only=True):
    """Detach AdministratorAccess, PowerUserAccess, IAMFullAccess and managed policies that give as much.

    Groups that give a user as much, and inline policies that do, are left alone unless that is asked for; what the
    principal can do afterwards is said beforehand, where the account's IAM has been read.
    """

    name = "detach_admin_policies"
    title = "Detach administrator policies"
    reads = (
        *(
            msgspec.structs.replace(need, when=_READ_WHEN.get(need.action, _WHEN[kind]))
            for kind in KINDS
            for need in reads_of(kind)
        ),
        Need(action="iam:ListGroupsForUser", resources=resources("User"), when=_WHEN["User"]),
        *(
            Need(action=f"iam:{api}", resources=_POLICIES, when="a managed policy is attached")
            for api in ("GetPolicy", "GetPolicyVersion")
        ),
    )
    writes = (
        *(
            need
            for kind in KINDS
            for need in (
                Need(action=f"iam:Detach{kind}Policy", resources=resources(kind), condition=_THREE, when=_WHEN[kind]),
                Need(
                    action=f"iam:Detach{kind}Policy",
                    resources=resources(kind),
                    condition=_OTHER,
                    when=f"{_WHEN[kind]}, with a managed policy that gives as much",
                ),
                Need(
                    action=f"iam:Attach{kind}Policy", resources=resources(kind), when=f"to undo it for a {kind.lower()}"
                ),
                Need(
                    action=f"iam:Delete{kind}Policy",
                    resources=resources(kind),
                    when=f"{_WHEN[kind]}, with inline=true",
                ),
                Need(
                    action=f"iam:Put{kind}Policy",
                    resources=resources(kind),
                    when=f"to undo it for a {kind.lower()}, with inline=true",
                ),
            )
        ),
        Need(action="iam:RemoveUserFromGroup", resources=resources("Group"), when=f"{_WHEN['User']}, with groups=true"),
        Need(action="iam:AddUserToGroup", resources=resources("Group"), when="to undo it for a user, with groups=true"),
    )
    reversible = True
    examples = (
        "principal=user/john",
        "principal=user/john groups=true inline=true",
        "principal=arn:aws:iam::111111111111:role/Deploy",
        "principal=group/admins",
    )

    principal: Annotated[
        str,
        Meta(
            description="The ARN of a user, role or group, or user/NAME, role/NAME, group/NAME.",
            min_length=1,
            max_length=2048,
        ),
    ]
    groups: Annotated[bool, Meta(description="Also remove a user from the groups that give as much.")] = False
    inline: Annotated[bool, Meta(description="Also delete inline policies that give as much.")] = False

    def verify(self, world: World, plan: Plan) -> Verification:
        """As `Action.verify`; the detail says by which other ways the target is, or can become, an administrator."""
        seen = super().verify(world, plan)
        return Verification(ok=True, detail=f"{seen.detail}; {_left_over(world, plan.targets[0])}") if seen.ok else seen

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        principal = find_principal(world, self.principal)
        members = _members(world, principal)
        _guarded(world, guard, principal, members)
        held = holdings(world, principal)
        groups = [(group, holdings(world, group)) for group in _groups(world, principal)]
        removed = [each for each in held if each.why is not None and (each.arn is not None or self.inline)]
        giving = [group for group, theirs in groups if any(each.why is not None for each in theirs)]
        left = giving if self.groups else []
        kept = [each for each in held if each.why is not None and each not in removed]
        inherited = [each for group, theirs in groups if group not in left for each in theirs if each.why is not None]
        if not removed and not left:
            raise _nothing(principal, kept, inherited)
        for group in left:
            why = guard.principal(group.arn)
            if why is not None:
                raise Refused(why, remedy="leave out groups=true, or have an administrator do it by hand")
        gone = (*removed, *(each for group, theirs in groups if group in left for each in theirs))
        standing = _standing(world.authorization(), [(principal, held), *groups], members, removed, left)
        deleted = {each.name: each.document for each in removed if each.arn is None}
        return Planned(
            plan=Plan(
                action="detach_admin_policies",
                account=world.account,
                targets=(principal.target(world.account),),
                steps=steps_of(*_without(removed), *_leave(principal, left)),
                pre_state={
                    "arn": principal.arn,
                    "policies": [_state(each) for each in held],
                    "groups": [
                        {"id": group.id, "policies": [_state(each) for each in theirs]} for group, theirs in groups
                    ],
                    "members": sorted(each.id for each in members),
                },
                export={"inline_policies": deleted} if deleted else {},
            ),
            arguments={**msgspec.to_builtins(self), "principal": principal.arn},
            blast_radius=(
                *_wider(principal, members, left, groups),
                *_undenied(gone),
                *_afterwards(world, principal, standing),
                *_remaining(kept, inherited, (*held, *(each for _, theirs in groups for each in theirs))),
                *_roles(world, principal),
            ),
            administrator=None if standing is None else _administrator(standing),
            notes=_notes(principal, inherited),
        )


# --- what is there --------------------------------------------------------------------------------------------------


def _groups(world: World, principal: Principal) -> tuple[Principal, ...]:
    if principal.kind != "User":
        return ()
    listed = world.items("iam:ListGroupsForUser", "Groups", UserName=principal.name)
    groups = (
        Principal(kind="Group", name=str(each["GroupName"]), id=str(each["GroupId"]), arn=str(each["Arn"]))
        for each in listed
    )
    return tuple(sorted(groups, key=lambda group: group.id))


def _members(world: World, principal: Principal) -> tuple[Principal, ...]:
    if principal.kind != "Group":
        return ()
    listed = world.items("iam:GetGroup", "Users", GroupName=principal.name)
    users = (
        Principal(kind="User", name=str(each["UserName"]), id=str(each["UserId"]), arn=str(each["Arn"]))
        for each in listed
    )
    return tuple(sorted(users, key=lambda user: user.arn))


def _guarded(world: World, guard: Guard, principal: Principal, members: Iterable[Principal]) -> None:
    why = guard.principal(principal.arn, principal.tags)
    if why is not None:
        raise Refused(why, remedy="what must be done to it, an administrator does by hand")
    for member in members:
        tags = tags_of(json_of(world.call("iam:GetUser", UserName=member.name)["User"])) if guard.tags else {}
        why = guard.principal(member.arn, tags)
        if why is not None:
            raise Refused(
                f"{member.name} is in {principal.name}, and must not be touched: {why}",
                remedy="take it from single users: principal=user/NAME groups=true",
            )


def _state(holding: Holding) -> dict[str, Any]:
    """What of a policy the plan relies on."""
    return {
        "policy": holding.arn or holding.name,
        "content": holding.version or document_text(holding.document),
    }


def _nothing(principal: Principal, kept: Sequence[Holding], inherited: Sequence[Holding]) -> Refused:
    ways = []
    if kept:
        ways.append(f"inline=true deletes {', '.join(each.name for each in kept)}")
    if inherited:
        groups = sorted({each.holder.name for each in inherited})
        ways.append(f"groups=true removes {principal.name} from {', '.join(groups)}")
    already = "" if ways else "already "
    return Refused(
        f"{principal.name} is {already}without an attached policy that makes an administrator",
        remedy="; ".join(ways) or f"what it can do all the same: trailwarden iam role {principal.arn}",
    )


# --- what is done ---------------------------------------------------------------------------------------------------


def _without(removed: Iterable[Holding]) -> _Calls:
    for each in removed:
        kind = each.holder.kind
        if each.arn is not None:
            yield (
                each.holder.call(f"iam:Detach{kind}Policy", PolicyArn=each.arn),
                f"detach {each.name} from {each.holder.name}: it {each.why}",
                each.holder.call(f"iam:Attach{kind}Policy", PolicyArn=each.arn),
            )
        else:
            yield (
                each.holder.call(f"iam:Delete{kind}Policy", PolicyName=each.name),
                f"delete the inline policy {each.name} of {each.holder.name}: it {each.why}",
                each.holder.call(
                    f"iam:Put{kind}Policy", PolicyName=each.name, PolicyDocument=document_text(each.document)
                ),
            )


def _leave(principal: Principal, groups: Iterable[Principal]) -> _Calls:
    for group in groups:
        yield (
            principal.call("iam:RemoveUserFromGroup", group.arn, GroupName=group.name),
            f"remove {principal.name} from the group {group.name}",
            principal.call("iam:AddUserToGroup", group.arn, GroupName=group.name),
        )


# --- what it hits ---------------------------------------------------------------------------------------------------


def _standing(
    snapshot: AuthorizationSnapshot | None,
    held: Sequence[tuple[Principal, Sequence[Holding]]],
    members: Sequence[Principal],
    removed: Sequence[Holding],
    left: Sequence[Principal],
) -> Standing | None:
    """Who is an administrator before and after; None where IAM was not read, or knows other principals by the names.

    ``held`` is the principal with its policies, then its groups with theirs, as they are now.

    Raises:
        Refused: nobody would be left.
    """
    (principal, _), *groups = held
    if snapshot is None or not _known(snapshot, principal, members):
        return None
    account = snapshot.authorization
    memberships = {
        each.arn: tuple(dict.fromkeys((*account.users[each.arn].groups, principal.name))) for each in members
    }
    if principal.kind == "User":
        memberships[principal.arn] = tuple(group.name for group, _ in groups)
    now = as_read(account, held, memberships)
    then = without(now, held, removed, principal.arn, [group.name for group in left])
    concerned = [each.arn for each in members] if principal.kind == "Group" else [principal.arn]
    standing = standing_after(snapshot, now, then, concerned)
    if standing.losing and standing.anybody == "no" and _whole(account):
        raise Refused(
            f"nobody would be left who is an administrator of account {snapshot.account}, but for root",
            remedy="make another one first, have IAM read again, and propose it then",
        )
    return standing


def _left_over(world: World, target: Target) -> str:
    """What is left of administrator access, now that it was taken away, in words; with the policies as they are now."""
    try:
        principal = find_principal(world, str(target.arn))
    except NotFound:
        return f"{target.name} is gone"
    members = _members(world, principal)
    held = [(each, holdings(world, each)) for each in (principal, *_groups(world, principal))]
    snapshot = world.authorization()
    standing = _standing(snapshot, held, members, (), ())
    if snapshot is None or standing is None:
        return "whether other ways to administrator access remain is not known: IAM was not read"
    left = [
        *(f"{Arn.parse(arn).name} is still an administrator" for arn, each in standing.after.items() if each != "no"),
        *(way_in_words(arn, paths) for arn, paths in standing.ways.items()),
    ]
    taken = f"as the rest of IAM was read at {format_instant(snapshot.taken)}"
    return f"{'; '.join(left) or 'no other way to administrator access is known'}, {taken}"


def _whole(account: AccountAuthorization) -> bool:
    """Whether everything that IAM holds was read and understood."""
    return account.complete and not account.unreadable


def _known(snapshot: AuthorizationSnapshot, principal: Principal, members: Sequence[Principal]) -> bool:
    """Whether the snapshot knows the user or role, or all of a group's members, and as the same ones."""
    ids = {each.arn: each.id for each in snapshot.authorization.principals()}
    return all(ids.get(each.arn) == each.id for each in (members if principal.kind == "Group" else (principal,)))


def _administrator(standing: Standing) -> bool | None:
    if any(answer != "no" for answer in standing.before.values()):
        return True
    return None if any(standing.unknown.values()) else False


def _wider(
    principal: Principal,
    members: Sequence[Principal],
    left: Iterable[Principal],
    groups: Iterable[tuple[Principal, Sequence[Holding]]],
) -> Iterator[BlastItem]:
    if principal.kind == "Group":
        names = ", ".join(each.name for each in members) or "nobody"
        text = f"every member of {principal.name} loses it: {names}"
        yield BlastItem(kind="inherited", text=text, grave=len(members) > 1)
    for group, theirs in groups:
        others = [each.name for each in theirs if each.why is None]
        if group in left and others:
            text = f"out of {group.name}, {principal.name} also loses what else it gives: {', '.join(others)}"
            yield BlastItem(kind="inherited", text=text)
    if principal.kind == "Role":
        text = f"sessions of {principal.name} that go on lose it too, and whatever service works as this role"
        yield BlastItem(kind="sessions", text=text)


def _undenied(gone: Iterable[Holding]) -> Iterator[BlastItem]:
    for each in gone:
        if each.denies:
            text = f"the {each.words} also denies something, which nothing of it denies any more"
            yield BlastItem(kind="remains", text=text, grave=True)


def _afterwards(world: World, principal: Principal, standing: Standing | None) -> Iterator[BlastItem]:
    snapshot = world.authorization()
    if standing is None or snapshot is None:
        why = (
            "the account's IAM has not been read"
            if snapshot is None
            else f"{principal.name} was not as it is now when IAM was read at {format_instant(snapshot.taken)}"
        )
        text = f"whether this is the account's last administrator is not known: {why}"
        yield BlastItem(kind="last_administrator", text=text, grave=True)
        yield BlastItem(kind="remains", text=f"what is left to {principal.name} is not known: {why}", grave=True)
        return
    taken = f"as IAM was read at {format_instant(snapshot.taken)}"
    if standing.losing and standing.anybody != "yes":
        who = "none that is known" if standing.anybody == "no" else "only such as are one under conditions"
        text = f"of administrators of the account, {who} would be left, {taken}"
        yield BlastItem(kind="last_administrator", text=text, grave=True)
    for arn, answer in standing.after.items():
        if answer != "no":
            how = "" if answer == "yes" else " under conditions"
            text = f"{arn} stays an administrator{how}, {taken}, through {'; '.join(standing.through[arn])}"
            yield BlastItem(kind="remains", text=text, grave=True)
        elif standing.unknown[arn]:
            text = f"whether {arn} stays an administrator is not known: {', '.join(standing.unknown[arn])} not read"
            yield BlastItem(kind="remains", text=text, grave=True)
        elif standing.before[arn] != "no":
            yield BlastItem(kind="remains", text=f"{arn} is no administrator afterwards, {taken}")
    for arn, paths in standing.ways.items():
        yield BlastItem(kind="remains", text=f"{way_in_words(arn, paths)}, {taken}", grave=True)


def _remaining(kept: Iterable[Holding], inherited: Iterable[Holding], every: Iterable[Holding]) -> Iterator[BlastItem]:
    for each in kept:
        text = f"the {each.words} stays, and {each.why}: inline=true deletes it"
        yield BlastItem(kind="remains", text=text, grave=True)
    for each in inherited:
        text = f"the {each.words} stays, and {each.why}: groups=true takes the user out of the group"
        yield BlastItem(kind="inherited", text=text, grave=True)
    for each in every:
        if each.policy is None:
            text = f"whether the {each.words} makes an administrator cannot be told: {each.unread}"
            yield BlastItem(kind="remains", text=text, grave=True)


def _roles(world: World, principal: Principal) -> Iterator[BlastItem]:
    roles, _ = naming(world.authorization(), principal.arn)
    if roles:
        text = f"{principal.name} can still assume the roles that trust it by name: {', '.join(roles)}"
        yield BlastItem(kind="remains", text=text)


def _notes(principal: Principal, inherited: Sequence[Holding]) -> tuple[str, ...]:
    groups = sorted({each.holder.name for each in inherited})
    return (
        "IAM takes seconds, at times minutes, until a change holds in every Region",
        *(f"principal=group/{group} takes it from every member of {group}" for group in groups),
        *(
            ("its access keys and password still work, with what is left: disable_user",)
            if principal.kind == "User"
            else ()
        ),
    )

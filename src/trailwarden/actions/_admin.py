"""Policies that make an administrator, and what is left of a principal's access without them.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_job-functions.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_manage-attach-detach.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..action import Need, Refused, World
from ..errors import NotFound, UsageError
from ..iam.clauses import Answer
from ..iam.effective import administrator, effective, permissions_in
from ..iam.request import Policies
from ..model.arn import PARTITIONS, Arn, role_of_session
from ..model.authorization import AuthorizationSnapshot
from ..model.iam_report import EscalationPath
from ..model.policy import (
    AccountAuthorization,
    IamGroup,
    ManagedPolicy,
    Policy,
    PolicyError,
    PolicyKind,
    PolicySource,
    StatementRef,
    UnreadablePolicy,
    parse_policy,
)
from ..model.proposal import Call, Target, TargetKind
from ._users import find_user, json_of, tags_of

Kind = Literal["User", "Role", "Group"]
#: A kind of principal, as IAM's operations are named → the kind of target that it is.
KINDS: Mapping[Kind, TargetKind] = {"User": "iam_user", "Role": "iam_role", "Group": "iam_group"}
#: AWS's policies that are meant for administrators.
ADMIN_POLICIES = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess")
_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


def resources(kind: Kind) -> tuple[str, ...]:
    """The ARN patterns of a kind of principal."""
    return (f"arn:{{partition}}:iam::{{account}}:{kind.lower()}/*",)


def reads_of(kind: Kind) -> tuple[Need, ...]:
    """What reading a principal's policies takes, beside ``iam:GetPolicy`` and ``iam:GetPolicyVersion``."""
    apis = (f"Get{kind}", f"ListAttached{kind}Policies", f"List{kind}Policies", f"Get{kind}Policy")
    return tuple(Need(action=f"iam:{api}", resources=resources(kind)) for api in apis)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A user, role or group: ``id`` is AIDA…, AROA… or AGPA…; ``read`` what AWS's Get call says of it."""

    kind: Kind
    name: str
    id: str
    arn: str
    tags: Mapping[str, str] = {}
    read: Mapping[str, Any] = {}

    def call(self, api: str, resource: str = "", **params: Any) -> Call:
        """A call on this principal; ``resource`` is its ARN where none is given."""
        return Call(
            api=api,
            params={f"{self.kind}Name": self.name, **params},
            region=PARTITIONS[Arn.parse(self.arn).partition],
            resources=(resource or self.arn,),
        )

    def target(self, account: str) -> Target:
        """The principal as a target."""
        return Target(kind=KINDS[self.kind], id=self.id, account=account, name=self.name, arn=self.arn)


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A policy of a principal. ``arn`` is None for an inline policy, ``version`` the default version of a managed one.

    ``why`` says why it makes an administrator, None if it does not. ``policy`` is None if the document is not one that
    can be understood, and ``unread`` says why.
    """

    holder: Principal
    name: str
    arn: str | None = None
    version: str | None = None
    document: Any
    policy: Policy | None = None
    why: str | None = None
    unread: str = ""

    @property
    def words(self) -> str:
        """Which policy it is."""
        return f"{'inline policy' if self.arn is None else 'policy'} {self.name} of {self.holder.name}"

    @property
    def denies(self) -> bool:
        """Whether it takes something away."""
        return self.policy is not None and any(each.effect == "Deny" for each in self.policy.statements)


def find_principal(world: World, text: str) -> Principal:
    """The user, role or group with this ARN (or that of a role's session), or as ``user/…``, ``role/…``, ``group/…``.

    Raises:
        UsageError: not such an ARN or name.
        Refused: root, or a principal of another path.
        NotFound: it is of another account, or there is none.
        AwsError: as AWS answered.
    """
    arn = role_of_session(Arn.parse(text)) if text.startswith("arn:") else None
    if arn is not None and arn.resource == "root":
        find_user(world, text)  # refuses it
    prefix, _, name = text.partition("/") if arn is None else (arn.kind, "", arn.name)
    kind = next((each for each in KINDS if each.lower() == prefix), None)
    if kind is None or not _NAME.fullmatch(name) or (arn is not None and arn.service != "iam"):
        raise UsageError(
            f"not a user, role or group: {text[:256]!r}", remedy="give its ARN, or user/NAME, role/NAME or group/NAME"
        )
    if arn is not None and (arn.account, arn.partition) != (world.account, world.partition):
        raise NotFound(
            f"{name} is a {prefix} of account {arn.account}, this is {world.account}",
            remedy=f"propose it for the account that owns the {prefix}",
        )
    if kind == "User":
        read = find_user(world, name if arn is None else str(arn))
    else:
        read = json_of(world.call(f"iam:Get{kind}", **{f"{kind}Name": name})[kind])
    if arn is not None and read["Arn"] != str(arn) and ":sts:" not in text:
        raise Refused(
            f"there is no {arn}: the {prefix} of that name is {read['Arn']}",
            remedy="was it deleted and made again under another path? Then it is another one: name that",
        )
    return Principal(
        kind=kind, name=name, id=str(read[f"{kind}Id"]), arn=str(read["Arn"]), tags=tags_of(read), read=read
    )


def holdings(world: World, holder: Principal) -> tuple[Holding, ...]:
    """Every policy of a principal of its own: attached, then inline, each by name.

    Raises:
        AwsError: as AWS answered.
    """
    kind, name = holder.kind, {f"{holder.kind}Name": holder.name}
    attached = world.items(f"iam:ListAttached{kind}Policies", "AttachedPolicies", **name)
    inline = world.items(f"iam:List{kind}Policies", "PolicyNames", **name)
    return (
        *(_managed(world, holder, str(arn)) for arn in sorted(each["PolicyArn"] for each in attached)),
        *(_inline(world, holder, str(each)) for each in sorted(inline)),
    )


def _managed(world: World, holder: Principal, arn: str) -> Holding:
    version = str(world.call("iam:GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"])
    answer = world.call("iam:GetPolicyVersion", PolicyArn=arn, VersionId=version)
    name = arn.rpartition("/")[2]
    holding = _judged(
        Holding(
            holder=holder, name=name, arn=arn, version=version, document=json_of(answer["PolicyVersion"]["Document"])
        ),
    )
    if arn in (f"arn:{world.partition}:iam::aws:policy/{each}" for each in ADMIN_POLICIES):
        return msgspec.structs.replace(holding, why=f"is AWS's {name}")
    return holding


def _inline(world: World, holder: Principal, name: str) -> Holding:
    params = {f"{holder.kind}Name": holder.name, "PolicyName": name}
    answer = world.call(f"iam:Get{holder.kind}Policy", **params)
    return _judged(Holding(holder=holder, name=name, document=json_of(answer["PolicyDocument"])))


def _source(holder: Principal, name: str, arn: str | None) -> PolicySource:
    kinds: Mapping[tuple[bool, bool], PolicyKind] = {
        (True, True): "group_managed",
        (True, False): "group_inline",
        (False, True): "identity_managed",
        (False, False): "identity_inline",
    }
    kind = kinds[holder.kind == "Group", arn is not None]
    return PolicySource(kind=kind, name=name, arn=arn, holder=holder.arn)


def _judged(holding: Holding) -> Holding:
    source = _source(holding.holder, holding.name, holding.arn)
    try:
        policy = parse_policy(holding.document, source=source)
    except PolicyError as error:
        return msgspec.structs.replace(holding, unread=error.message)
    return msgspec.structs.replace(holding, policy=policy, why=why_admin(policy, holding.holder.arn))


def why_admin(policy: Policy, holder: str) -> str | None:
    """Why a policy alone would make its holder an administrator, or a power user; None if it does not."""
    # a group is no caller: what its policy gives, it gives to any user
    caller = holder.replace(":group/", ":user/", 1)
    answer = administrator(effective(Policies(policy), principal=caller))
    if answer.answer != "no":
        ways = " and ".join(way for way, _ in answer.by)
        return ways if answer.answer == "yes" else f"{ways}, under conditions"
    for each in policy.statements:
        if each.effect == "Allow" and each.not_actions is not None and "*" in (each.resources or ()):
            return f"allows everything but {', '.join(each.not_actions)}"
    return None


# --- the account without them ---------------------------------------------------------------------------------------


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Who of those that a change concerns is an administrator ``before`` and ``after`` it, by ARN, and ``through``
    which statements after it. ``anybody``: whether anyone in the account is one after it, at best. ``unknown`` are
    policies that bear on them and could not be read; ``ways`` how those who are none after it can become one again."""

    before: Mapping[str, Answer]
    after: Mapping[str, Answer]
    through: Mapping[str, tuple[str, ...]]
    anybody: Answer
    unknown: Mapping[str, tuple[str, ...]]
    ways: Mapping[str, tuple[EscalationPath, ...]] = {}

    @property
    def losing(self) -> tuple[str, ...]:
        """Who is one before, and surely no more after."""
        return tuple(arn for arn, was in self.before.items() if was != "no" and self.after[arn] != "yes")


def as_read(
    account: AccountAuthorization,
    held: Iterable[tuple[Principal, Sequence[Holding]]],
    memberships: Mapping[str, tuple[str, ...]],
) -> AccountAuthorization:
    """The account with the policies of these principals and the groups of these users (by ARN) as they were just read.

    Users and roles are those that the account knows already; a group may be new to it.
    """
    policies = dict(account.policies)
    unreadable = {each.source: each for each in account.unreadable}
    for holder, theirs in held:
        account = _holding(account, holder, theirs)
        unreadable = {source: each for source, each in unreadable.items() if source.holder != holder.arn}
        for each in theirs:
            if each.arn is not None:
                policies[each.arn] = ManagedPolicy(arn=each.arn, name=each.name, policy=each.policy)
            elif each.policy is None:
                source = _source(holder, each.name, None)
                unreadable[source] = UnreadablePolicy(source, each.unread)
    users = dict(account.users)
    for arn, groups in memberships.items():
        users[arn] = msgspec.structs.replace(users[arn], groups=groups)
    return msgspec.structs.replace(account, users=users, policies=policies, unreadable=tuple(unreadable.values()))


def without(
    account: AccountAuthorization,
    held: Iterable[tuple[Principal, Sequence[Holding]]],
    removed: Sequence[Holding],
    user: str = "",
    left: Iterable[str] = (),
) -> AccountAuthorization:
    """The account, as read, without some of the policies, and with a user out of the groups of these names."""
    for holder, theirs in held:
        account = _holding(account, holder, [each for each in theirs if each not in removed])
    if user not in account.users:
        return account
    groups = tuple(name for name in account.users[user].groups if name not in left)
    users = {**account.users, user: msgspec.structs.replace(account.users[user], groups=groups)}
    return msgspec.structs.replace(account, users=users)


def _holding(account: AccountAuthorization, holder: Principal, held: Sequence[Holding]) -> AccountAuthorization:
    """The account with the policies of one principal replaced."""
    attached = tuple(each.arn for each in held if each.arn is not None)
    inline = tuple(each.policy for each in held if each.arn is None and each.policy is not None)
    if holder.kind == "Group":
        group = IamGroup(arn=holder.arn, name=holder.name, id=holder.id, attached=attached, inline=inline)
        return msgspec.structs.replace(account, groups={**account.groups, holder.name: group})
    if holder.kind == "Role":
        role = msgspec.structs.replace(account.roles[holder.arn], attached=attached, inline=inline)
        return msgspec.structs.replace(account, roles={**account.roles, holder.arn: role})
    user = msgspec.structs.replace(account.users[holder.arn], attached=attached, inline=inline)
    return msgspec.structs.replace(account, users={**account.users, holder.arn: user})


def is_administrator(snapshot: AuthorizationSnapshot | None, principal: Principal) -> bool | None:
    """Whether a user or role is an administrator, if only under conditions; None if that is not known."""
    account = snapshot.authorization if snapshot is not None else None
    known = None if account is None else {each.arn: each for each in account.principals()}.get(principal.arn)
    if snapshot is None or account is None or known is None or known.id != principal.id:
        return None
    permissions = permissions_in(snapshot, _only(account, (principal.arn,)))[principal.arn]
    if administrator(permissions).answer != "no":
        return True
    return None if permissions.unknown else False


def standing_after(
    snapshot: AuthorizationSnapshot, now: AccountAuthorization, then: AccountAuthorization, concerned: Sequence[str]
) -> Standing:
    """Who is an administrator ``now`` and ``then``; ``concerned`` are the ARNs that the change bears on."""
    before = permissions_in(snapshot, now)
    after = permissions_in(snapshot, _only(then, concerned))
    administrators = {arn: administrator(theirs) for arn, theirs in after.items()}
    answers = {each.answer for each in administrators.values()}
    for arn, theirs in before.items():
        if "yes" in answers:
            break
        role = now.roles.get(arn)
        if arn not in administrators and not (role and role.service_linked):
            answers.add(administrator(theirs).answer)
    return Standing(
        before={arn: administrator(before[arn]).answer for arn in concerned},
        after={arn: administrators[arn].answer for arn in concerned},
        through={
            arn: tuple(dict.fromkeys(_told(ref, arn) for _, refs in each.by for ref in refs))
            for arn, each in administrators.items()
        },
        anybody=next((each for each in ("yes", "conditional") if each in answers), "no"),
        unknown={arn: theirs.unknown for arn, theirs in after.items()},
        ways=ways_left(snapshot, then, concerned),
    )


def ways_left(
    snapshot: AuthorizationSnapshot, account: AccountAuthorization, concerned: Sequence[str]
) -> Mapping[str, tuple[EscalationPath, ...]]:
    """By ARN, the ways by which those concerned who are no administrators of ``account`` can become one."""
    from ..iam.escalation import Subject, escalations  # noqa: PLC0415

    found = escalations(Subject(msgspec.structs.replace(snapshot, authorization=account)))
    return {arn: found[arn] for arn in concerned if arn in found}


def way_in_words(arn: str, paths: Sequence[EscalationPath]) -> str:
    """The shortest way, and how many more there are."""
    first, *more = paths
    calls = ", then ".join(dict.fromkeys(action for step in first.steps for action in step.actions))
    sure = "can" if first.certain else "may be able to"
    rest = f"; {len(more)} more ways" if len(more) > 1 else "; 1 more way" if more else ""
    return f"{Arn.parse(arn).name} {sure} still become an administrator ({Arn.parse(first.to).name}) by {calls}{rest}"


def _told(ref: StatementRef, arn: str) -> str:
    """A statement in words, with the group that it is of."""
    holder = ref.source.holder
    return str(ref) if holder in (None, arn) else f"{ref} of {Arn.parse(str(holder)).name}"


def _only(account: AccountAuthorization, arns: Sequence[str]) -> AccountAuthorization:
    return msgspec.structs.replace(
        account,
        users={arn: each for arn, each in account.users.items() if arn in arns},
        roles={arn: each for arn, each in account.roles.items() if arn in arns},
    )

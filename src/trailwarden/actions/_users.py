"""An IAM user, read whole: what disabling and deleting one have in common.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..action import Need, Refused, World
from ..errors import NotFound, UsageError
from ..guardrails import Guard
from ..model.arn import PARTITIONS, Arn
from ..model.authorization import AuthorizationSnapshot
from ..model.policy import Policy
from ..model.proposal import BlastItem, Call, Target
from ..model.time import format_instant

USERS = ("arn:{partition}:iam::{account}:user/*",)
#: What a user may have several of → the call that lists it, the key of its answer, and what identifies one of them.
LISTS: Mapping[str, tuple[str, str, str]] = {
    "access_keys": ("iam:ListAccessKeys", "AccessKeyMetadata", "AccessKeyId"),
    "signing_certificates": ("iam:ListSigningCertificates", "Certificates", "CertificateId"),
    "ssh_public_keys": ("iam:ListSSHPublicKeys", "SSHPublicKeys", "SSHPublicKeyId"),
    "service_specific_credentials": (
        "iam:ListServiceSpecificCredentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
    ),
    "mfa_devices": ("iam:ListMFADevices", "MFADevices", "SerialNumber"),
    "attached_policies": ("iam:ListAttachedUserPolicies", "AttachedPolicies", "PolicyArn"),
    "groups": ("iam:ListGroupsForUser", "Groups", "GroupName"),
}
#: What of it can be made inactive → the call that does, its parameter for the id, and what one is in words.
STATUSES: Mapping[str, tuple[str, str, str]] = {
    "access_keys": ("iam:UpdateAccessKey", "AccessKeyId", "access key"),
    "service_specific_credentials": (
        "iam:UpdateServiceSpecificCredential",
        "ServiceSpecificCredentialId",
        "service-specific credential",
    ),
    "ssh_public_keys": ("iam:UpdateSSHPublicKey", "SSHPublicKeyId", "SSH public key"),
    "signing_certificates": ("iam:UpdateSigningCertificate", "CertificateId", "signing certificate"),
}
READS: tuple[Need, ...] = (
    *(
        Need(action=action, resources=USERS)
        for action in (
            "iam:GetUser",
            "iam:GetLoginProfile",
            "iam:ListUserPolicies",
            *(api for api, _, _ in LISTS.values()),
        )
    ),
    Need(action="iam:GetAccessKeyLastUsed", resources=USERS, when="the user has an active access key"),
)
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROOT = ("root", "<root_account>")


class HeldUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user and everything that it has, as JSON would hold AWS's answers.

    ``user`` is GetUser's; ``lists`` are by the names of ``LISTS``, sorted by what identifies an entry;
    ``inline_policies`` are names, sorted; ``login_profile`` is None where the user has no password.
    """

    user: Mapping[str, Any]
    login_profile: Mapping[str, Any] | None
    lists: Mapping[str, tuple[Mapping[str, Any], ...]]
    inline_policies: tuple[str, ...]

    @property
    def name(self) -> str:
        """The user's name."""
        return str(self.user["UserName"])

    @property
    def id(self) -> str:
        """The user's id (AIDA…), which no other user ever has."""
        return str(self.user["UserId"])

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return str(self.user["Arn"])

    @property
    def region(self) -> str:
        """The Region that serves IAM in the user's partition."""
        return PARTITIONS[Arn.parse(self.arn).partition]

    @property
    def boundary(self) -> str | None:
        """The ARN of the permissions boundary."""
        bounded = self.user.get("PermissionsBoundary") or {}
        return bounded.get("PermissionsBoundaryArn")

    @property
    def tags(self) -> Mapping[str, str]:
        """The user's tags."""
        return tags_of(self.user)

    def ids(self, kind: str) -> list[str]:
        """What identifies the entries of a list."""
        return [str(each[LISTS[kind][2]]) for each in self.lists[kind]]

    def statuses(self, kind: str) -> dict[str, str]:
        """The status of each entry of a list, by its id."""
        return {str(each[LISTS[kind][2]]): str(each["Status"]) for each in self.lists[kind]}

    def call(self, api: str, *resources: str, **params: Any) -> Call:
        """A call on this user; ``resources`` are the user's ARN where none is given."""
        return Call(
            api=api,
            params={"UserName": self.name, **params},
            region=self.region,
            resources=resources or (self.arn,),
        )

    def target(self, account: str) -> Target:
        """The user as a target."""
        return Target(kind="iam_user", id=self.id, account=account, name=self.name, arn=self.arn)


def find_user(world: World, text: str) -> Mapping[str, Any]:
    """What GetUser says of the user with this name or ARN.

    Raises:
        Refused: root, or a user of another path.
        UsageError: neither a user's name nor ARN.
        NotFound: it is of another account, or there is none.
        AwsError: as AWS answered.
    """
    arn = Arn.parse(text) if text.startswith("arn:") else None
    if arn is not None and arn.resource == "root":
        raise root_user()
    if arn is not None and (arn.service, arn.kind) != ("iam", "user"):
        raise UsageError(f"not the ARN of an IAM user: {text[:256]!r}", remedy="a role's sessions: revoke_sessions")
    if arn is not None and (arn.account, arn.partition) != (world.account, world.partition):
        raise NotFound(
            f"{arn.name} is a user of account {arn.account}, this is {world.account}",
            remedy="propose it for the account that owns the user",
        )
    name = text if arn is None else arn.name
    if not _NAME.fullmatch(name):
        if name in _ROOT:
            raise root_user()
        raise UsageError(f"not the name of an IAM user: {name[:64]!r}", remedy="a name such as john, or the user's ARN")
    try:
        user = json_of(world.call("iam:GetUser", UserName=name)["User"])
    except NotFound:
        if name in _ROOT:
            raise root_user() from None
        raise
    if arn is not None and user["Arn"] != str(arn):
        raise Refused(
            f"there is no {arn}: the user of that name is {user['Arn']}",
            remedy="was it deleted and made again under another path? Then it is another user: name that one",
        )
    return {**user, "Tags": sorted(user.get("Tags") or (), key=lambda tag: str(tag["Key"]))}


def root_user() -> Refused:
    """The refusal for root."""
    return Refused(
        "this is the account's root user, which IAM's actions do not reach",
        remedy="sign in as root and delete its keys there, or use central root access of the organisation",
    )


def guarded(guard: Guard, arn: str, tags: Mapping[str, str], access_keys: Iterable[str]) -> None:
    """Let nothing be done to a user that is protected, or with a key of whom this installation signs.

    Raises:
        Refused: the sentence says why.
    """
    why = guard.principal(arn, tags) or next(filter(None, map(guard.access_key, access_keys)), None)
    if why is not None:
        raise Refused(why, remedy="what must be done to it, an administrator does by hand")


def read_user(world: World, guard: Guard, text: str) -> HeldUser:
    """Everything that the user with this name or ARN has, every list to its end.

    Raises:
        Refused: the user is protected; else as ``find_user``.
        NotFound, AwsError: as AWS answered.
    """
    user = find_user(world, text)
    name = user["UserName"]
    lists = {}
    for kind, (api, key, identifier) in LISTS.items():
        entries = [json_of(each) for each in world.items(api, key, UserName=name)]
        lists[kind] = tuple(sorted(entries, key=lambda each: str(each[identifier])))
    held = HeldUser(
        user=user,
        login_profile=login_profile_of(world, name),
        lists=lists,
        inline_policies=tuple(sorted(world.items("iam:ListUserPolicies", "PolicyNames", UserName=name))),
    )
    guarded(guard, held.arn, held.tags, held.ids("access_keys"))
    return held


def login_profile_of(world: World, name: str) -> Mapping[str, Any] | None:
    """The user's login profile; None without a password."""
    try:
        found: Mapping[str, Any] = json_of(world.call("iam:GetLoginProfile", UserName=name)["LoginProfile"])
    except NotFound:
        return None
    return found


def json_of(answer: Any) -> Any:
    """An answer of AWS as JSON holds it: times are texts."""
    return msgspec.to_builtins(answer)


def document_text(document: Any) -> str:
    """A policy document as one text that is the same for the same content."""
    return document if isinstance(document, str) else json.dumps(document, sort_keys=True, separators=(",", ":"))


def tags_of(entity: Mapping[str, Any]) -> Mapping[str, str]:
    """IAM's list of tags as a mapping."""
    return {str(each["Key"]): str(each["Value"]) for each in entity.get("Tags") or ()}


# --- what it hits ---------------------------------------------------------------------------------------------------


def last_used(world: World, held: HeldUser) -> Iterator[BlastItem]:
    """When the password and each active access key were last used."""
    if held.login_profile is not None:
        used = held.user.get("PasswordLastUsed")
        text = f"last signed in with the password at {used}" if used else "the password has not been used to sign in"
        yield BlastItem(kind="last_used", text=f"{held.name}: {text}")
    for key, status in held.statuses("access_keys").items():
        if status == "Active":
            answer = json_of(world.call("iam:GetAccessKeyLastUsed", AccessKeyId=key))
            yield key_last_used(key, answer["AccessKeyLastUsed"])


def key_last_used(key: str, used: Mapping[str, Any]) -> BlastItem:
    """When an access key was last used, as GetAccessKeyLastUsed says; it does not say what failed since."""
    if not used.get("LastUsedDate"):
        return BlastItem(kind="last_used", text=f"access key {key} has not been used")
    where = f"with {used.get('ServiceName')} in {used.get('Region')}"
    return BlastItem(kind="last_used", text=f"access key {key} was last used at {used['LastUsedDate']}, {where}")


def standing(
    world: World, arn: str, user_id: str, *, refuse_last: bool = True
) -> tuple[bool | None, tuple[BlastItem, ...]]:
    """Whether a user is an administrator (None: not known), and what follows if it is the last one.

    Who is one only under conditions counts where it is the target, and does not where it is who is left.

    Raises:
        Refused: nobody else is one, not even under conditions, and ``refuse_last``.
    """
    from ..iam.effective import administrator, permissions_in  # noqa: PLC0415

    snapshot = world.authorization()
    known = snapshot.authorization.users.get(arn) if snapshot is not None else None
    if snapshot is None or known is None or known.id != user_id:
        text = "whether this is the account's last administrator is not known: " + (
            "the account's IAM has not been read"
            if snapshot is None
            else f"its IAM was read at {format_instant(snapshot.taken)}, and this user was not there"
        )
        return None, (BlastItem(kind="last_administrator", text=text),)
    permissions = permissions_in(snapshot)
    if administrator(permissions[arn]).answer == "no":
        return (None if permissions[arn].unknown else False), ()
    others = {
        administrator(theirs).answer
        for other, theirs in permissions.items()
        if other != arn and not ((role := snapshot.authorization.roles.get(other)) and role.service_linked)
    }
    if "yes" in others:
        return True, ()
    if "conditional" not in others and refuse_last:
        raise Refused(
            f"{Arn.parse(arn).name} is the last administrator of the account, as far as its IAM tells: only root would "
            "be left",
            remedy="make another administrator first; a stolen key of this one can be deleted (delete_access_key)",
        )
    text = "no other user or role of the account is an administrator without conditions: only root may be left"
    return True, (BlastItem(kind="last_administrator", text=text, grave=True),)


def naming(snapshot: AuthorizationSnapshot | None, arn: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The roles of the account whose trust policy allows something to this user by name, and the resources whose
    policy does; ARNs, sorted."""
    if snapshot is None:
        return (), ()
    roles = (each.arn for each in snapshot.authorization.roles.values() if each.trust and _names(each.trust, arn))
    resources = (each.arn for each in snapshot.resource_policies if _names(each.policy, arn))
    return tuple(sorted(roles)), tuple(sorted(resources))


def _names(policy: Policy, arn: str) -> bool:
    return any(
        principal.value == arn
        for statement in policy.statements
        if statement.effect == "Allow"
        for principal in statement.principals or ()
    )

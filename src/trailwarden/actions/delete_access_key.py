"""Delete an access key of an IAM user.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html and, for the prefixes of
ids, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..action import Action, Need, Planned, Refused, Verification, World, steps_of
from ..errors import AccessDenied, NotFound, UsageError
from ..guardrails import Guard
from ..model.arn import PARTITIONS
from ..model.proposal import BlastItem, Call, Plan, Target
from ._users import USERS, guarded, json_of, key_last_used, root_user, standing, tags_of


class _Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A key's owner, what is known of the key's last use, and the status of all keys of the owner, by their ids."""

    user: Mapping[str, Any]
    used: Mapping[str, Any]
    keys: Mapping[str, str]


class DeleteAccessKey(Action, frozen=True, kw_only=True):
    """Delete one long-term access key (AKIA…) of an IAM user; it is made inactive first.

    Whose key it is, AWS says. Sessions that were made with the key outlive it.
    """

    name = "delete_access_key"
    title = "Delete an access key"
    reads = (
        Need(action="sts:GetAccessKeyInfo"),
        *(
            Need(action=action, resources=USERS)
            for action in ("iam:GetAccessKeyLastUsed", "iam:GetUser", "iam:ListAccessKeys")
        ),
    )
    writes = (
        Need(action="iam:UpdateAccessKey", resources=USERS, when="the key is active"),
        Need(action="iam:DeleteAccessKey", resources=USERS),
    )
    reversible = False
    examples = ("access_key_id=AKIAIOSFODNN7EXAMPLE",)

    access_key_id: Annotated[str, Meta(description="The id of the key: AKIA….", pattern="^[A-Z0-9]{16,128}$")]

    def plan(self, world: World, guard: Guard) -> Planned:
        """See `Action.plan`."""
        key = self.access_key_id
        owned = self._owned(world, guard)
        arn, user = str(owned.user["Arn"]), str(owned.user["UserName"])
        delete = Call(
            api="iam:DeleteAccessKey",
            params={"UserName": user, "AccessKeyId": key},
            region=PARTITIONS[world.partition],
            resources=(arn,),
        )
        calls: list[tuple[Call, str, Call | None]] = []
        if owned.keys[key] == "Active":
            off = {**delete.params, "Status": "Inactive"}
            inactive = msgspec.structs.replace(delete, api="iam:UpdateAccessKey", params=off)
            calls.append((inactive, f"make the access key {key} inactive", None))
        calls.append((delete, f"delete the access key {key}", None))
        administrator, _ = standing(world, arn, str(owned.user["UserId"]), refuse_last=False)
        return Planned(
            plan=Plan(
                action="delete_access_key",
                account=world.account,
                targets=(Target(kind="access_key", id=key, account=world.account, name=user, arn=arn),),
                steps=steps_of(*calls),
                pre_state={"user": arn, "user_id": owned.user["UserId"], "status": owned.keys[key]},
                export={"access_key_id": key, "user": arn},
                irreversible=(f"The access key {key} is lost, and its secret cannot be recovered.",),
            ),
            arguments={"access_key_id": key},
            blast_radius=(key_last_used(key, owned.used), *self._hit(owned)),
            administrator=administrator,
            notes=(
                f"disable_user stops all credentials of {user}, and its sessions with them",
                f"revoke_sessions ends the sessions of roles that were assumed with {key}",
            ),
        )

    def verify(self, world: World, plan: Plan) -> Verification:
        """The key must be gone; that it was inactive before, nothing tells any more."""
        from ..effects import verify_steps  # noqa: PLC0415

        return verify_steps(world, msgspec.structs.replace(plan, steps=plan.steps[-1:]))

    def _owned(self, world: World, guard: Guard) -> _Owned:
        """The key's owner, as AWS tells it: not as anybody claims it."""
        key = self.access_key_id
        if key.startswith("ASIA"):
            raise Refused(
                f"{key} is a temporary key of a session, which cannot be deleted",
                remedy="revoke_sessions ends the sessions of a role; disable_user those of an IAM user",
            )
        if not key.startswith("AKIA"):
            raise UsageError(f"not the id of an access key: {key}", remedy="it begins with AKIA")
        if (why := guard.access_key(key)) is not None:
            raise Refused(why, remedy="give this installation another key first, then delete this one by hand")
        account = world.call("sts:GetAccessKeyInfo", AccessKeyId=key)["Account"]
        if account != world.account:
            raise NotFound(
                f"{key} is a key of account {account}, this is {world.account}",
                remedy=f"propose it for account {account}",
            )
        used = self._last_used(world)
        try:
            user = json_of(world.call("iam:GetUser", UserName=used["UserName"])["User"]) if used["UserName"] else None
        except NotFound:
            user = None
        if user is None:
            raise root_user()
        listed = world.items("iam:ListAccessKeys", "AccessKeyMetadata", UserName=user["UserName"])
        keys = {str(each["AccessKeyId"]): str(each["Status"]) for each in listed}
        if key not in keys:
            raise Refused(f"{key} is not a key of {user['Arn']} any more", remedy="it is deleted already")
        guarded(guard, user["Arn"], tags_of(user), sorted(keys))
        return _Owned(user=user, used=used["AccessKeyLastUsed"], keys=keys)

    def _last_used(self, world: World) -> Mapping[str, Any]:
        try:
            answer = json_of(world.call("iam:GetAccessKeyLastUsed", AccessKeyId=self.access_key_id))
        except AccessDenied as error:
            raise AccessDenied(
                error.message,
                remedy=f"{error.remedy}; or the key is deleted already, which AWS answers in the same way",
                code=error.code,
                operation=error.operation,
                account=error.account,
                region=error.region,
            ) from error
        return {"UserName": answer.get("UserName") or "", "AccessKeyLastUsed": answer["AccessKeyLastUsed"]}

    def _hit(self, owned: _Owned) -> Iterator[BlastItem]:
        user = owned.user["UserName"]
        for key, status in sorted(owned.keys.items()):
            if key != self.access_key_id and status == "Active":
                yield BlastItem(kind="remains", text=f"access key {key} of {user} stays active", grave=True)
        text = f"a password of {user}, and sessions that were made with the key, are not touched"
        yield BlastItem(kind="remains", text=text)

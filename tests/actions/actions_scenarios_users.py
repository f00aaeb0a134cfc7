"""What the actions on users are done to."""

import boto3
from actions_kit import client, make_john

from trailwarden.action import Action
from trailwarden.actions.delete_access_key import DeleteAccessKey
from trailwarden.actions.delete_user import DeleteUser
from trailwarden.actions.disable_user import DisableUser


def disable_user(admin: boto3.Session) -> Action:
    return DisableUser(user=make_john(admin))


def delete_user(admin: boto3.Session) -> Action:
    return DeleteUser(user=make_john(admin))


def delete_access_key(admin: boto3.Session) -> Action:
    make_john(admin)
    keys = client(admin, "iam").list_access_keys(UserName="john")["AccessKeyMetadata"]
    return DeleteAccessKey(access_key_id=keys[0]["AccessKeyId"])

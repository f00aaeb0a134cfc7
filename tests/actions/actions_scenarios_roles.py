"""What the actions on the rights and sessions of principals are done to."""

import boto3
from actions_kit import ACCOUNT, ADMINISTRATOR_ACCESS, OTHER_ACCOUNT, client, document, make_john, trust

from trailwarden.action import Action
from trailwarden.actions.detach_admin_policies import DetachAdminPolicies
from trailwarden.actions.revoke_sessions import RevokeSessions


def detach_admin_policies(admin: boto3.Session) -> Action:
    return DetachAdminPolicies(principal=make_john(admin))


def revoke_sessions(admin: boto3.Session) -> Action:
    iam = client(admin, "iam")
    arn = iam.create_role(
        RoleName="Deploy", Path="/ci/", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{OTHER_ACCOUNT}:root")
    )["Role"]["Arn"]
    iam.attach_role_policy(RoleName="Deploy", PolicyArn=ADMINISTRATOR_ACCESS)
    iam.put_role_policy(RoleName="Deploy", PolicyName="buckets", PolicyDocument=document("s3:ListAllMyBuckets"))
    iam.create_instance_profile(InstanceProfileName="build")
    iam.add_role_to_instance_profile(InstanceProfileName="build", RoleName="Deploy")
    assert arn == f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy"
    return RevokeSessions(role=arn)

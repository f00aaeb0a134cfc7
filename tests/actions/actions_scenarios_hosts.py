"""What the actions on instances and addresses are done to."""

import boto3
from actions_hosts_kit import ADDRESS, block_rule, make_set, run, web_acl

from trailwarden.action import Action
from trailwarden.actions.block_ip import BlockIp
from trailwarden.actions.terminate_instances import TerminateInstances


def terminate_instances(admin: boto3.Session) -> Action:
    return TerminateInstances(instance_ids=(run(admin),))


def block_ip(admin: boto3.Session) -> Action:
    arn = make_set(admin)
    web_acl(admin, "site", block_rule(arn))
    return BlockIp(address=ADDRESS)

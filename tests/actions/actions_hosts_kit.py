"""Instances, Auto Scaling groups, Spot requests, IP sets and web ACLs in the emulator."""

from typing import Any

import boto3
from actions_kit import ACCOUNT, REGION, client, document, trust

IMAGE = "ami-12c6146b"
ADDRESS = "192.0.3.7"  # outside the blocks of documentation, which are no public networks
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/site/0123456789abcdef"
_SEEN = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}


def run(admin: boto3.Session, *, region: str = REGION, profile: bool = False, **more: Any) -> str:
    """A running instance; gives its id. ``profile``: with an instance profile of the role Web, an administrator."""
    if profile:
        iam = client(admin, "iam")
        iam.create_role(RoleName="Web", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:root"))
        iam.put_role_policy(RoleName="Web", PolicyName="all", PolicyDocument=document("*"))
        iam.create_instance_profile(InstanceProfileName="web")
        iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="Web")
        more["IamInstanceProfile"] = {"Name": "web"}
    launch = {"ImageId": IMAGE, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **more}
    made: str = client(admin, "ec2", region).run_instances(**launch)["Instances"][0]["InstanceId"]
    return made


def group(admin: boto3.Session, *, desired: int, minimum: int) -> list[str]:
    """The Auto Scaling group web; gives the ids of its instances."""
    scaling = client(admin, "autoscaling")
    scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=IMAGE, InstanceType="t3.micro")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchConfigurationName="web", MinSize=minimum, MaxSize=5, DesiredCapacity=desired,
        AvailabilityZones=[f"{REGION}a"],
    )  # fmt: skip
    return [each["InstanceId"] for each in scaling.describe_auto_scaling_instances()["AutoScalingInstances"]]


def spot(admin: boto3.Session, kind: str) -> str:
    """A Spot instance of a request of this kind; gives the instance's id."""
    launch = {"ImageId": IMAGE, "InstanceType": "t3.micro"}
    made = client(admin, "ec2").request_spot_instances(InstanceCount=1, Type=kind, LaunchSpecification=launch)
    instance: str = made["SpotInstanceRequests"][0]["InstanceId"]
    return instance


def state_of(admin: boto3.Session, instance: str, region: str = REGION) -> str:
    found = client(admin, "ec2", region).describe_instances(InstanceIds=[instance])
    state: str = found["Reservations"][0]["Instances"][0]["State"]["Name"]
    return state


def make_set(
    admin: boto3.Session,
    name: str = "blocked",
    *addresses: str,
    version: str = "IPV4",
    scope: str = "REGIONAL",
    region: str = REGION,
) -> str:
    """An IP set; gives its ARN."""
    made = client(admin, "wafv2", region).create_ip_set(
        Name=name, Scope=scope, IPAddressVersion=version, Addresses=list(addresses), Description="kept"
    )
    arn: str = made["Summary"]["ARN"]
    return arn


def addresses_of(admin: boto3.Session, arn: str, region: str = REGION) -> set[str]:
    place, _, name, identifier = arn.split(":", 5)[5].split("/")
    scope = "CLOUDFRONT" if place == "global" else "REGIONAL"
    held = client(admin, "wafv2", region).get_ip_set(Name=name, Scope=scope, Id=identifier)["IPSet"]
    assert held["Description"] == "kept"
    return set(held["Addresses"])


def looks_at(arn: str) -> dict[str, Any]:
    """The statement that a request's address is in a set."""
    return {"IPSetReferenceStatement": {"ARN": arn}}


def rule(statement: dict[str, Any], action: str = "Block", name: str = "known") -> dict[str, Any]:
    return {
        "Name": name, "Priority": 0, "Statement": statement, "Action": {action: {}}, "VisibilityConfig": _SEEN,
    }  # fmt: skip


def block_rule(arn: str) -> dict[str, Any]:
    return rule(looks_at(arn))


def web_acl(
    admin: boto3.Session, name: str, *rules: dict[str, Any], scope: str = "REGIONAL", protects: str | None = BALANCER
) -> str:
    """A web ACL; gives its ARN."""
    waf = client(admin, "wafv2")
    arn: str = waf.create_web_acl(
        Name=name, Scope=scope, DefaultAction={"Allow": {}}, VisibilityConfig=_SEEN, Rules=list(rules)
    )["Summary"]["ARN"]
    if protects is not None and scope == "REGIONAL":
        waf.associate_web_acl(WebACLArn=arn, ResourceArn=protects)
    return arn


def rule_group(admin: boto3.Session, *rules: dict[str, Any]) -> str:
    """A rule group; gives its ARN."""
    made = client(admin, "wafv2").create_rule_group(
        Name="group", Scope="REGIONAL", Capacity=10, Rules=list(rules), VisibilityConfig=_SEEN
    )
    arn: str = made["Summary"]["ARN"]
    return arn

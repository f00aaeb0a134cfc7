"""Permissions of calls on instances' surroundings, Spot requests by instance, and what a web ACL protects."""

from typing import Any

import pytest
from emulator_kit import HOME, allow, client, make_user, policy, refused

from trailwarden.demo.emulator import Emulator

IMAGE = "ami-12c6146b"
EC2 = f"arn:aws:ec2:us-east-1:{HOME}"
SNAPSHOTS = "arn:aws:ec2:us-east-1::snapshot/*"
CREATED = {"StringEquals": {"ec2:CreateAction": "CreateSnapshots"}}
BALANCER = f"arn:aws:elasticloadbalancing:us-east-1:{HOME}:loadbalancer/app/site/0123456789abcdef"
SEEN = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "m"}


def run(home: Any) -> str:
    instance: str = client(home, "ec2").run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0][
        "InstanceId"
    ]
    return instance


def as_user(emulator: Emulator, home: Any, service: str, *statements: dict[str, Any]) -> Any:
    make_user(home, "john", policies=policy(*statements))
    return client(emulator.session(HOME, user="john"), service)


@pytest.mark.parametrize(
    ("statements", "lacking"),
    [
        ([allow("ec2:CreateSnapshots"), allow("ec2:CreateTags", resource=SNAPSHOTS, Condition=CREATED)], None),
        ([allow("ec2:CreateSnapshots")], "ec2:CreateTags"),
        ([allow("ec2:CreateSnapshots", resource=f"{EC2}:instance/*"), allow("ec2:CreateTags")], "ec2:CreateSnapshots"),
        (
            [allow("ec2:CreateSnapshots", resource=[f"{EC2}:instance/*", SNAPSHOTS]), allow("ec2:CreateTags")],
            "ec2:CreateSnapshots",
        ),
    ],
    ids=["all", "no tags", "instance only", "no volume"],
)
def test_snapshots_take_instance_volumes_and_tags(
    emulator: Emulator, home: Any, statements: list[dict[str, Any]], lacking: str | None
) -> None:
    ec2 = as_user(emulator, home, "ec2", *statements)
    call = {
        "InstanceSpecification": {"InstanceId": run(home)},
        "TagSpecifications": [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}],
    }
    if lacking is None:
        assert ec2.create_snapshots(**call)["Snapshots"]
        return
    code, message, _ = refused(lambda: ec2.create_snapshots(**call))
    assert code == "UnauthorizedOperation"
    assert f"perform: {lacking} on resource" in message


def test_snapshots_without_tags_take_no_permission_to_tag(emulator: Emulator, home: Any) -> None:
    ec2 = as_user(emulator, home, "ec2", allow("ec2:CreateSnapshots"))
    assert ec2.create_snapshots(InstanceSpecification={"InstanceId": run(home)})["Snapshots"]


def test_spot_requests_are_found_by_their_instance(emulator: Emulator, home: Any) -> None:
    ec2 = client(home, "ec2")
    launch = {"ImageId": IMAGE, "InstanceType": "t3.micro"}
    made = [
        ec2.request_spot_instances(InstanceCount=1, Type=kind, LaunchSpecification=launch)["SpotInstanceRequests"][0]
        for kind in ("one-time", "persistent")
    ]
    for each in made:
        by_instance = [{"Name": "instance-id", "Values": [each["InstanceId"]]}]
        (found,) = ec2.describe_spot_instance_requests(Filters=by_instance)["SpotInstanceRequests"]
        assert {name: found[name] for name in ("SpotInstanceRequestId", "Type", "State")} == {
            name: each[name] for name in ("SpotInstanceRequestId", "Type", "State")
        }
    assert len(ec2.describe_spot_instance_requests()["SpotInstanceRequests"]) == 2
    request, other = (each["SpotInstanceRequestId"] for each in made)
    mine = as_user(
        emulator,
        home,
        "ec2",
        allow("ec2:CancelSpotInstanceRequests", resource=f"{EC2}:spot-instances-request/{request}"),
    )
    assert refused(lambda: mine.cancel_spot_instance_requests(SpotInstanceRequestIds=[request, other]))[0] == (
        "UnauthorizedOperation"
    )
    mine.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])


def test_a_permission_may_be_for_one_auto_scaling_group(emulator: Emulator, home: Any) -> None:
    scaling = client(home, "autoscaling")
    scaling.create_launch_configuration(LaunchConfigurationName="l", ImageId=IMAGE, InstanceType="t3.micro")
    for name in ("web", "batch"):
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName="l", MinSize=0, MaxSize=1, DesiredCapacity=1,
            AvailabilityZones=["us-east-1a"],
        )  # fmt: skip
    groups = {
        each["AutoScalingGroupName"]: each for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    }
    web = allow("autoscaling:DetachInstances", resource=groups["web"]["AutoScalingGroupARN"])
    mine = as_user(emulator, home, "autoscaling", web)

    def detach(name: str) -> Any:
        ids = [each["InstanceId"] for each in groups[name]["Instances"]]
        return mine.detach_instances(AutoScalingGroupName=name, InstanceIds=ids, ShouldDecrementDesiredCapacity=True)

    assert detach("web")["Activities"]
    assert refused(lambda: detach("batch"))[0] == "AccessDenied"
    assert refused(mine.describe_auto_scaling_groups)[0] == "AccessDenied"


def test_a_web_acl_tells_what_it_protects(home: Any) -> None:
    waf = client(home, "wafv2")
    arn = waf.create_web_acl(
        Name="site", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=SEEN, Rules=[]
    )["Summary"]["ARN"]
    assert waf.list_resources_for_web_acl(WebACLArn=arn)["ResourceArns"] == []
    waf.associate_web_acl(WebACLArn=arn, ResourceArn=BALANCER)
    assert waf.list_resources_for_web_acl(WebACLArn=arn)["ResourceArns"] == [BALANCER]
    assert waf.list_resources_for_web_acl(WebACLArn=arn, ResourceType="API_GATEWAY")["ResourceArns"] == []
    assert refused(lambda: waf.list_resources_for_web_acl(WebACLArn=arn, ResourceType="CLOUD"))[0] == (
        "WAFInvalidParameterException"
    )
    assert refused(lambda: waf.list_resources_for_web_acl(WebACLArn=arn.replace("site", "other")))[0] == (
        "WAFNonexistentItemException"
    )

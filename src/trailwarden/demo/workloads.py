"""The programs of the simulated organisation, each with the way in which it gets its credentials."""

from typing import Literal

import msgspec

from .ids import hex_id

WorkloadKind = Literal[
    "instance",
    "function",
    "irsa",
    "pod_identity",
    "github",
    "chain",
    "vendor",
    "linked_role",
    "service",
    "forward_access",
]


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One program.

    ``subject`` is what names it to AWS: the function, the ``system:serviceaccount:…`` or ``repo:…`` claim,
    or the service's DNS name. ``instances`` are the EC2 instances that it runs on. ``vpc_endpoint`` is
    empty where it calls AWS over the internet, from ``ip``.
    """

    name: str
    kind: WorkloadKind
    account_id: str
    role: str
    region: str
    subject: str
    profile: str
    instances: tuple[str, ...] = ()
    ip: str = ""
    vpc_endpoint: str = ""
    imds: str = "2.0"
    weight: float = 1.0


def workloads(seed: int, accounts: tuple[str, str, str]) -> tuple[Workload, ...]:
    """All 25. ``accounts`` are management, production and development."""
    management, production, development = accounts

    def fleet(name: str, size: int) -> tuple[str, ...]:
        return tuple(hex_id("i-", seed, name, str(number)) for number in range(size))

    def endpoint(name: str) -> str:
        return hex_id("vpce-", seed, name)

    def on_instances(
        name: str, account_id: str, region: str, size: int, ip: str, *, private: bool = False, imds: str = "2.0"
    ) -> Workload:
        return Workload(
            name=name,
            kind="instance",
            account_id=account_id,
            role=name,
            region=region,
            subject=name,
            profile="instance",
            instances=fleet(name, size),
            ip=ip,
            vpc_endpoint=endpoint(name) if private else "",
            imds=imds,
            weight=0.5 + 0.4 * size,
        )

    def function(name: str, account_id: str, region: str, ip: str, profile: str, *, private: bool = False) -> Workload:
        return Workload(
            name=name,
            kind="function",
            account_id=account_id,
            role=name,
            region=region,
            subject=name,
            profile=profile,
            ip=ip,
            vpc_endpoint=endpoint(name) if private else "",
        )

    def in_cluster(
        name: str, kind: WorkloadKind, service_account: str, profile: str, ip: str, *, private: bool = False
    ) -> Workload:
        return Workload(
            name=name,
            kind=kind,
            account_id=production,
            role=name,
            region="eu-central-1",
            subject=f"system:serviceaccount:{service_account}",
            profile=profile,
            instances=fleet("eks-prod-node", 3),
            ip=ip,
            vpc_endpoint=endpoint("eks-prod") if private else "",
        )

    def pipeline(
        name: str, account_id: str, region: str, *, role: str, subject: str, kind: WorkloadKind = "github"
    ) -> Workload:
        return Workload(
            name=name,
            kind=kind,
            account_id=account_id,
            role=role,
            region=region,
            subject=subject,
            profile="deploy",
            ip="192.0.2.200",
            weight=0.8,
        )

    def service(
        name: str, kind: WorkloadKind, account_id: str, region: str, *, role: str = "", profile: str
    ) -> Workload:
        return Workload(
            name=name,
            kind=kind,
            account_id=account_id,
            role=role,
            region=region,
            subject=f"{name}.amazonaws.com",
            profile=profile,
            weight=1.4,
        )

    return (
        on_instances("web-frontend", production, "eu-central-1", 3, "192.0.2.11"),
        on_instances("api-backend", production, "us-east-1", 2, "10.20.4.17", private=True),
        on_instances("batch-worker", production, "us-west-2", 2, "192.0.2.31", imds="1.0"),
        on_instances("bastion", production, "eu-central-1", 1, "192.0.2.14"),
        on_instances("dev-sandbox", development, "eu-west-1", 1, "192.0.2.61"),
        on_instances("eks-prod-node", production, "eu-central-1", 3, "192.0.2.16"),
        function("order-processor", production, "us-east-1", "192.0.2.101", "queue_worker"),
        function("image-resizer", production, "eu-central-1", "192.0.2.102", "queue_worker"),
        function("nightly-report", production, "eu-west-1", "10.20.9.5", "report", private=True),
        function("dev-cleanup", development, "eu-west-1", "192.0.2.104", "cleanup"),
        function("compliance-scanner", management, "us-east-1", "192.0.2.105", "scanner"),
        in_cluster("external-dns", "irsa", "kube-system:external-dns", "dns", "192.0.2.16"),
        in_cluster("cluster-autoscaler", "irsa", "kube-system:cluster-autoscaler", "autoscaler", "192.0.2.16"),
        in_cluster("ebs-csi-driver", "irsa", "kube-system:ebs-csi-controller-sa", "volumes", "192.0.2.16"),
        in_cluster("payments-api", "pod_identity", "payments:payments-api", "payments", "10.30.8.21", private=True),
        in_cluster(
            "ledger-worker", "pod_identity", "payments:ledger-worker", "queue_worker", "10.30.8.22", private=True
        ),
        pipeline(
            "webshop",
            production,
            "eu-central-1",
            role="GitHubActionsWebshop",
            subject="repo:company/webshop:ref:refs/heads/main",
        ),
        pipeline(
            "data-pipelines",
            development,
            "us-east-1",
            role="GitHubActionsData",
            subject="repo:company/data-pipelines:environment:development",
        ),
        pipeline(
            "infrastructure",
            management,
            "eu-central-1",
            role="GitHubActionsDeploy",
            subject="repo:company/infrastructure:ref:refs/heads/main",
            kind="chain",
        ),
        Workload(
            name="monitoring-vendor",
            kind="vendor",
            account_id=production,
            role="MonitoringVendorRole",
            region="us-east-1",
            subject="metrics-collector",
            profile="monitoring",
            ip="192.0.2.240",
            weight=2.0,
        ),
        service("config", "linked_role", production, "eu-central-1", role="AWSServiceRoleForConfig", profile="config"),
        service(
            "autoscaling",
            "linked_role",
            production,
            "us-east-1",
            role="AWSServiceRoleForAutoScaling",
            profile="autoscaling",
        ),
        service("cloudtrail", "service", management, "us-east-1", profile="delivery"),
        service("backup", "service", production, "eu-west-1", profile="delivery"),
        service("athena", "forward_access", production, "eu-west-1", role="nightly-report", profile="forward_access"),
    )

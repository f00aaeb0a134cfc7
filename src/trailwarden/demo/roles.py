"""The IAM roles of the simulated organisation, with the policies that decide who may use them and for what."""

import json
from typing import Any

import msgspec

from ..actions import actions
from ..aws.session_policy import least_policy
from .ids import draw, principal_id

AWS_POLICY = "arn:aws:iam::aws:policy/"
#: Permission set -> the AWS managed policies in it.
PERMISSION_SETS: dict[str, tuple[str, ...]] = {
    "AdministratorAccess": ("AdministratorAccess",),
    "PowerUser": ("PowerUserAccess",),
    "ReadOnly": ("ReadOnlyAccess",),
    "SecurityAudit": ("SecurityAudit",),
    "Billing": ("AWSBillingReadOnlyAccess",),
}
SSO_REGION = "eu-central-1"
#: The account of the monitoring vendor, outside the organisation.
VENDOR_ACCOUNT = "444444444444"


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """One role: ``trust`` and the values of ``inline`` are policy documents, ``managed`` policy ARNs."""

    name: str
    account_id: str
    id: str
    path: str = "/"
    trust: str
    managed: tuple[str, ...] = ()
    inline: dict[str, str] = {}

    @property
    def arn(self) -> str:
        """Its ARN, with the path."""
        return f"arn:aws:iam::{self.account_id}:role{self.path}{self.name}"

    def session_arn(self, session_name: str) -> str:
        """The ARN of a session of it (which has no path)."""
        return f"arn:aws:sts::{self.account_id}:assumed-role/{self.name}/{session_name}"

    def session_id(self, session_name: str) -> str:
        """The principalId, and the assumedRoleId, of a session of it."""
        return f"{self.id}:{session_name}"


def policy(*statements: dict[str, Any]) -> str:
    """A policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def trust(principal: dict[str, Any], action: str | list[str] = "sts:AssumeRole", **condition: Any) -> str:
    """A trust policy with one statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return policy(statement)


def saml_provider_name(seed: int, account_id: str) -> str:
    """Identity Center's SAML provider in an account."""
    return f"AWSSSO_{draw(seed, '0123456789abcdef', 16, 'sso provider', account_id)}_DO_NOT_DELETE"


def oidc_issuer(seed: int) -> str:
    """The OIDC issuer of the production cluster."""
    return f"oidc.eks.eu-central-1.amazonaws.com/id/DEMO{draw(seed, '0123456789ABCDEF', 28, 'oidc')}"


def reserved_role(seed: int, account_id: str, permission_set: str) -> Role:
    """The role that Identity Center keeps in an account for a permission set."""
    name = f"AWSReservedSSO_{permission_set}_{draw(seed, '0123456789abcdef', 16, account_id, permission_set)}"
    return Role(
        name=name,
        account_id=account_id,
        id=principal_id("AROA", seed, account_id, name),
        path=f"/aws-reserved/sso.amazonaws.com/{SSO_REGION}/",
        trust=trust(
            {"Federated": f"arn:aws:iam::{account_id}:saml-provider/{saml_provider_name(seed, account_id)}"},
            ["sts:AssumeRoleWithSAML", "sts:TagSession"],
            StringEquals={"SAML:aud": "https://signin.aws.amazon.com/saml"},
        ),
        managed=tuple(AWS_POLICY + name for name in PERMISSION_SETS[permission_set]),
    )


def roles(
    seed: int, accounts: tuple[str, str, str], installation_arn: str, external_ids: dict[str, str]
) -> tuple[Role, ...]:
    """Every role of the organisation. ``accounts`` are management, production and development."""
    management, production, development = accounts
    issuer = oidc_issuer(seed)
    execution_arn = f"arn:aws:iam::{development}:role/CloudFormationExecutionRole"
    vendor_external_id = draw(seed, "abcdefghijkmnpqrstuvwxyz23456789", 24, "vendor external id")
    lambda_basics = "service-role/AWSLambdaBasicExecutionRole"
    github = "token.actions.githubusercontent.com"

    def role(
        name: str,
        account_id: str,
        trusted: str,
        *managed: str,
        path: str = "/",
        **inline: str,
    ) -> Role:
        return Role(
            name=name,
            account_id=account_id,
            id=principal_id("AROA", seed, account_id, name),
            path=path,
            trust=trusted,
            managed=tuple(AWS_POLICY + policy_name for policy_name in managed),
            inline=inline,
        )

    def service(name: str) -> str:
        return trust({"Service": f"{name}.amazonaws.com"})

    def pods(service_account: str) -> str:
        return trust(
            {"Federated": f"arn:aws:iam::{production}:oidc-provider/{issuer}"},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={
                f"{issuer}:sub": f"system:serviceaccount:{service_account}",
                f"{issuer}:aud": "sts.amazonaws.com",
            },
        )

    def pipeline(account_id: str, repository: str) -> str:
        return trust(
            {"Federated": f"arn:aws:iam::{account_id}:oidc-provider/{github}"},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={f"{github}:aud": "sts.amazonaws.com"},
            StringLike={f"{github}:sub": f"repo:company/{repository}:*"},
        )

    pod_identity = trust({"Service": "pods.eks.amazonaws.com"}, ["sts:AssumeRole", "sts:TagSession"])
    reserved = tuple(
        reserved_role(seed, account_id, permission_set)
        for account_id, sets in (
            (management, ("AdministratorAccess", "SecurityAudit", "Billing")),
            (production, ("AdministratorAccess", "PowerUser", "ReadOnly", "SecurityAudit")),
            (development, ("AdministratorAccess", "PowerUser", "SecurityAudit")),
        )
        for permission_set in sets
    )
    connections = tuple(
        role(
            "TrailwardenReadOnly",
            account_id,
            trust({"AWS": installation_arn}, StringEquals={"sts:ExternalId": external_id}),
            "ReadOnlyAccess",
        )
        for account_id, external_id in external_ids.items()
    )
    responders = tuple(
        role(
            "TrailwardenRespond",
            account_id,
            trust(
                {"AWS": installation_arn},
                ["sts:AssumeRole", "sts:SetSourceIdentity"],
                StringEquals={"sts:ExternalId": external_id},
            ),
            Respond=json.dumps(least_policy(actions().values(), partition="aws", account=account_id)),
        )
        for account_id, external_id in external_ids.items()
    )
    return (
        *reserved,
        *connections,
        *responders,
        role(
            "AdminRole",
            production,
            trust({"AWS": f"arn:aws:iam::{production}:root"}, Bool={"aws:MultiFactorAuthPresent": "true"}),
            "AdministratorAccess",
        ),
        role(
            "FederatedAnalyst",
            production,
            trust(
                {"Federated": f"arn:aws:iam::{production}:saml-provider/CompanyOkta"},
                ["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"],
                StringEquals={"SAML:aud": "https://signin.aws.amazon.com/saml"},
            ),
            "AmazonAthenaFullAccess",
            "ReadOnlyAccess",
        ),
        role("web-frontend", production, service("ec2"), "AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"),
        role(
            "api-backend",
            production,
            service("ec2"),
            "AmazonSSMManagedInstanceCore",
            Secrets=policy(
                allow("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:*:{production}:secret:prod/api/*")
            ),
        ),
        role("batch-worker", production, service("ec2"), "AmazonSSMManagedInstanceCore", "AmazonS3FullAccess"),
        role("bastion", production, service("ec2"), "AmazonSSMManagedInstanceCore"),
        role("dev-sandbox", development, service("ec2"), "PowerUserAccess"),
        role("eks-prod-node", production, service("ec2"), "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"),
        role(
            "order-processor",
            production,
            service("lambda"),
            lambda_basics,
            path="/service-role/",
        ),
        role(
            "image-resizer",
            production,
            service("lambda"),
            lambda_basics,
            path="/service-role/",
        ),
        role("nightly-report", production, service("lambda"), "AmazonAthenaFullAccess", path="/service-role/"),
        role("dev-cleanup", development, service("lambda"), "AmazonEC2FullAccess", path="/service-role/"),
        role("compliance-scanner", management, service("lambda"), "SecurityAudit", path="/service-role/"),
        role("external-dns", production, pods("kube-system:external-dns"), "AmazonRoute53FullAccess"),
        role("cluster-autoscaler", production, pods("kube-system:cluster-autoscaler"), "AutoScalingFullAccess"),
        role(
            "ebs-csi-driver",
            production,
            pods("kube-system:ebs-csi-controller-sa"),
            "service-role/AmazonEBSCSIDriverPolicy",
        ),
        role("payments-api", production, pod_identity, KMS=policy(allow(["kms:Decrypt", "kms:GenerateDataKey"]))),
        role("ledger-worker", production, pod_identity, "AmazonSQSFullAccess"),
        role("GitHubActionsWebshop", production, pipeline(production, "webshop"), "AmazonECS_FullAccess"),
        role("GitHubActionsData", development, pipeline(development, "data-pipelines"), "AWSGlueConsoleFullAccess"),
        role(
            "GitHubActionsDeploy",
            management,
            pipeline(management, "infrastructure"),
            AssumeDeployRole=policy(allow("sts:AssumeRole", f"arn:aws:iam::{development}:role/DeployRole")),
        ),
        role(
            "DeployRole",
            development,
            trust({"AWS": [f"arn:aws:iam::{management}:role/GitHubActionsDeploy", f"arn:aws:iam::{production}:root"]}),
            Deploy=policy(
                allow(["cloudformation:*", "s3:Get*", "s3:List*", "ec2:Describe*"]),
                allow(["sts:AssumeRole", "iam:PassRole"], execution_arn),
            ),
        ),
        role(
            "CloudFormationExecutionRole",
            development,
            policy(
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Service": "cloudformation.amazonaws.com",
                        "AWS": f"arn:aws:iam::{development}:role/DeployRole",
                    },
                    "Action": "sts:AssumeRole",
                }
            ),
            "AdministratorAccess",
        ),
        role(
            "MonitoringVendorRole",
            production,
            trust(
                {"AWS": f"arn:aws:iam::{VENDOR_ACCOUNT}:root"},
                StringEquals={"sts:ExternalId": vendor_external_id},
            ),
            "SecurityAudit",
            Metrics=policy(allow(["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "tag:GetResources"])),
        ),
        role(
            "AWSServiceRoleForConfig",
            production,
            service("config"),
            "aws-service-role/AWSConfigServiceRolePolicy",
            path="/aws-service-role/config.amazonaws.com/",
        ),
        role(
            "AWSServiceRoleForAutoScaling",
            production,
            service("autoscaling"),
            "aws-service-role/AutoScalingServiceRolePolicy",
            path="/aws-service-role/autoscaling.amazonaws.com/",
        ),
    )

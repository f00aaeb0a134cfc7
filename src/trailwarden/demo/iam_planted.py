"""What an analysis of the simulated organisation's IAM must find, and what it must not."""

from typing import Literal

import msgspec

from .iam_principals import ARNS, DEVELOPMENT, EXPORTS_KEY, MANAGEMENT, PAYMENTS_KEY, PRODUCTION

Expectation = Literal[
    "administrator",
    "reaches_administrator",
    "trust_anyone",
    "trust_external_account",
    "trust_without_external_id",
    "trust_oidc_without_subject",
    "not_action_allow",
    "wildcard_data",
    "wildcard_secrets",
    "grants_nothing",
    "unused",
    "old_access_key",
    "several_access_keys",
    "public_resource",
    "external_resource",
]
Needs = Literal["organization", "other_account", "resource_policies", "access_keys"]


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """One case: ``subject`` (an ARN) must show what it ``expects`` if ``found``, and must not show it otherwise.

    ``needs`` is what must be known beside the account's own IAM for that to be right.
    """

    subject: str
    expects: Expectation
    found: bool
    why: str
    needs: Needs | None = None

    @property
    def account(self) -> str:
        """The account that the case is in; that of the owner for buckets, whose ARNs have none."""
        return self.subject.split(":")[4] or (DEVELOPMENT if "acme-dev-" in self.subject else PRODUCTION)


def _case(
    account: str, name: str, expects: Expectation, why: str, *, found: bool = True, needs: Needs | None = None
) -> Planted:
    kind = "user" if name in _USER_NAMES else "role"
    subject = name if name.startswith("arn:") else f"arn:aws:iam::{account}:{kind}/{name}"
    return Planted(subject=subject, expects=expects, found=found, why=why, needs=needs)


_USER_NAMES = frozenset({"ops-admin", "helpdesk", "helpdesk-limited", "self-service", "etl-legacy", "ci-artifacts"})

#: What an analysis of the three accounts must find, and what it must not.
PLANTED: tuple[Planted, ...] = (
    _case(PRODUCTION, "AdminRole", "administrator", "AdministratorAccess is attached"),
    _case(PRODUCTION, "OrganizationAccountAccessRole", "administrator", "its inline policy allows * on *"),
    _case(DEVELOPMENT, "OrganizationAccountAccessRole", "administrator", "its inline policy allows * on *"),
    _case(PRODUCTION, "OperationsAdmin", "administrator", "AdministratorAccess is attached"),
    _case(PRODUCTION, "ReleaseAdmin", "administrator", "AdministratorAccess is attached"),
    _case(PRODUCTION, "IdentityAutomation", "administrator", "two inline policies together are all of iam:*"),
    _case(DEVELOPMENT, "BuildServerAdmin", "administrator", "AdministratorAccess is attached"),
    _case(DEVELOPMENT, "FunctionAdmin", "administrator", "AdministratorAccess is attached"),
    _case(DEVELOPMENT, "ops-admin", "administrator", "AdministratorAccess is attached"),
    _case(DEVELOPMENT, "BoundedAdmin", "administrator", "the boundary DeveloperBoundary leaves IAM out", found=False),
    _case(DEVELOPMENT, "BoundedAdmin", "reaches_administrator", "the boundary leaves every step out", found=False),
    _case(
        DEVELOPMENT,
        "GuardedAdmin",
        "administrator",
        "a Deny with NotAction leaves S3 reading and monitoring alone",
        found=False,
    ),
    _case(DEVELOPMENT, "GuardedAdmin", "reaches_administrator", "the Deny leaves no step", found=False),
    _case(
        DEVELOPMENT,
        "legacy/LegacyAutomation",
        "administrator",
        "the SCP RetireLegacyRoles denies everything to roles under /legacy/",
        found=False,
        needs="organization",
    ),
    _case(
        DEVELOPMENT,
        "DeveloperCompute",
        "reaches_administrator",
        "iam:PassRole and ec2:RunInstances: an instance with BuildServerAdmin",
    ),
    _case(
        DEVELOPMENT,
        "SplitCompute",
        "reaches_administrator",
        "the same, with the two actions in two policies and the role by a pattern",
    ),
    _case(
        DEVELOPMENT,
        "WebCompute",
        "reaches_administrator",
        "may pass roles named web-* only, and there is none",
        found=False,
    ),
    _case(
        DEVELOPMENT,
        "DeniedCompute",
        "reaches_administrator",
        "a Deny with NotResource takes all roles but web-* out of iam:PassRole on *",
        found=False,
    ),
    _case(
        DEVELOPMENT,
        "FunctionPublisher",
        "reaches_administrator",
        "iam:PassRole, lambda:CreateFunction and lambda:InvokeFunction: a function with FunctionAdmin",
    ),
    _case(
        DEVELOPMENT,
        "EtlPublisher",
        "reaches_administrator",
        "iam:PassedToService allows Glue alone, and the role may not create a Glue job",
        found=False,
    ),
    _case(
        DEVELOPMENT,
        "ReportPublisher",
        "reaches_administrator",
        "may pass BuildServerAdmin, which trusts EC2 and not Lambda",
        found=False,
    ),
    _case(
        PRODUCTION,
        "PolicyMaintainer",
        "reaches_administrator",
        "iam:CreatePolicyVersion on TeamPermissions, which is attached to the role itself",
    ),
    _case(
        PRODUCTION,
        "ManagedPolicyEditor",
        "reaches_administrator",
        "iam:CreatePolicyVersion on AWS's own policies, which nobody can edit",
        found=False,
    ),
    _case(
        DEVELOPMENT,
        "ReleaseStart",
        "reaches_administrator",
        "ReleaseStart, ReleaseRelay, ReleaseGate (production), ReleaseAdmin: each may assume the next",
        needs="other_account",
    ),
    _case(
        DEVELOPMENT,
        "DeployRole",
        "reaches_administrator",
        "may assume CloudFormationExecutionRole, which trusts it and is an administrator",
    ),
    _case(
        MANAGEMENT,
        "GitHubActionsDeploy",
        "reaches_administrator",
        "may assume DeployRole (development), and that CloudFormationExecutionRole",
        needs="other_account",
    ),
    _case(
        PRODUCTION,
        f"arn:aws:iam::{PRODUCTION}:user/john",
        "reaches_administrator",
        "by its group, sts:AssumeRole on AdminRole, which asks for MFA",
    ),
    _case(PRODUCTION, "ReleaseGate", "reaches_administrator", "may assume ReleaseAdmin, which trusts it"),
    _case(
        DEVELOPMENT,
        "TrustMaintainer",
        "reaches_administrator",
        "iam:UpdateAssumeRolePolicy and sts:AssumeRole on BuildServerAdmin",
    ),
    _case(
        DEVELOPMENT,
        "helpdesk",
        "reaches_administrator",
        "by its group, iam:CreateAccessKey on users ops-*, of whom ops-admin is an administrator",
    ),
    _case(
        DEVELOPMENT,
        "helpdesk-limited",
        "reaches_administrator",
        "the boundary leaves IAM out, and a Deny the administrators among the users",
        found=False,
    ),
    _case(
        DEVELOPMENT,
        "self-service",
        "reaches_administrator",
        "${aws:username} lets the user create keys of its own alone",
        found=False,
    ),
    _case(DEVELOPMENT, "PublicReader", "trust_anyone", "trusts * without a condition"),
    _case(
        DEVELOPMENT,
        "OrganizationReader",
        "trust_anyone",
        "trusts * of one organisation: aws:PrincipalOrgID",
        found=False,
    ),
    _case(DEVELOPMENT, "PartnerExchange", "trust_external_account", "trusts all of an account outside"),
    _case(
        DEVELOPMENT, "PartnerExchange", "trust_without_external_id", "trusts an account outside, without an External ID"
    ),
    _case(PRODUCTION, "VendorBackup", "trust_without_external_id", "asks for an External ID", found=False),
    _case(PRODUCTION, "MonitoringVendorRole", "trust_without_external_id", "asks for an External ID", found=False),
    _case(
        DEVELOPMENT,
        "GitHubActionsPlayground",
        "trust_oidc_without_subject",
        "any repository on GitHub: the audience alone is asked for",
    ),
    _case(
        PRODUCTION,
        "GitHubActionsAny",
        "trust_oidc_without_subject",
        "any repository on GitHub: the subject is repo:*",
    ),
    _case(PRODUCTION, "GitHubActionsRelease", "trust_oidc_without_subject", "the subject is exact", found=False),
    _case(PRODUCTION, "GitHubActionsWebshop", "trust_oidc_without_subject", "one repository", found=False),
    _case(DEVELOPMENT, "Contractor", "not_action_allow", "Allow with NotAction: everything but six services"),
    _case(DEVELOPMENT, "GuardedAdmin", "not_action_allow", "its NotAction stands in a Deny", found=False),
    _case(PRODUCTION, "AnalyticsExport", "wildcard_data", "s3:GetObject on *"),
    _case(PRODUCTION, "InvoiceExport", "wildcard_data", "s3:GetObject in one bucket", found=False),
    _case(PRODUCTION, "SecretsSync", "wildcard_secrets", "secretsmanager:GetSecretValue on *"),
    _case(PRODUCTION, "api-backend", "wildcard_secrets", "secrets under prod/api/ alone", found=False),
    _case(
        PRODUCTION,
        "DeprecatedDashboard",
        "grants_nothing",
        "all actions of its only policy are misspelt: cloudwatch:GetDashbord",
    ),
    _case(PRODUCTION, "OldMigration", "unused", "last used 310 days ago"),
    _case(PRODUCTION, "PlannedFailover", "unused", "made 520 days ago and never used"),
    _case(PRODUCTION, "FreshExperiment", "unused", "made three days ago: too early to say", found=False),
    _case(DEVELOPMENT, "etl-legacy", "old_access_key", "a key of 431 days", needs="access_keys"),
    _case(DEVELOPMENT, "etl-legacy", "several_access_keys", "two active keys", needs="access_keys"),
    _case(DEVELOPMENT, "ci-artifacts", "old_access_key", "a key of 30 days", found=False, needs="access_keys"),
    _case(
        PRODUCTION,
        "arn:aws:s3:::acme-public-downloads",
        "public_resource",
        "anyone may read its objects",
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        "arn:aws:s3:::acme-sealed-site",
        "public_resource",
        "Block Public Access keeps the public out",
        found=False,
        needs="resource_policies",
    ),
    _case(
        DEVELOPMENT,
        "arn:aws:s3:::acme-dev-shared",
        "public_resource",
        "the RCP OwnIdentitiesOnly keeps strangers out",
        found=False,
        needs="organization",
    ),
    _case(
        PRODUCTION,
        ARNS["lambda"].format("webhook-receiver"),
        "public_resource",
        "anyone may invoke it",
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        ARNS["sqs"].format("orders-intake"),
        "public_resource",
        "anyone may send messages to it",
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        ARNS["sns"].format("order-events"),
        "public_resource",
        "its own account alone: aws:SourceAccount",
        found=False,
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        ARNS["kms"].format(EXPORTS_KEY),
        "external_resource",
        "an account outside may decrypt with it",
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        ARNS["kms"].format(PAYMENTS_KEY),
        "external_resource",
        "its own account alone",
        found=False,
        needs="resource_policies",
    ),
    _case(
        PRODUCTION,
        ARNS["secretsmanager"].format("partner/api-token"),
        "external_resource",
        "an account outside may read it",
        needs="resource_policies",
    ),
)

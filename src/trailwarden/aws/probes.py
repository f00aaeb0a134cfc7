"""Whether a session may call what the tools need: one harmless read for each IAM action, tried for real.

A probe that names something which does not exist is answered "not found" where the action is allowed, and "access
denied" where it is not: IAM decides before the service looks. What has no such call is asked of the policy simulator
(which knows neither conditions nor all service control policies) or reported as not probed.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from ..errors import AccessDenied, AwsError, ExpiredCredentials, NoCredentials, Throttled, Unreachable
from .broker import AwsSession
from .errors import aws_errors

ProbeResult = Literal["allowed", "denied", "simulated_allowed", "simulated_denied", "not_probed", "unknown"]


class Probe(msgspec.Struct, frozen=True):
    """The call that tells whether an action is allowed. ``region`` None: where the session is at home."""

    service: str
    method: str
    arguments: Mapping[str, Any] = {}
    region: str | None = None


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found out about one action. ``error`` is AWS's answer where it was not a success."""

    action: str
    result: ProbeResult
    error: AwsError | None = None

    @property
    def missing(self) -> bool:
        """Whether the action is known to be denied."""
        return self.result in {"denied", "simulated_denied"}


_NOBODY = "trailwarden-probe-of-nothing"
_NO_ID = "00000000-0000-0000-0000-000000000000"
_GLOBAL = "us-east-1"
_USER: Mapping[str, Any] = {"UserName": _NOBODY}
_ROLE: Mapping[str, Any] = {"RoleName": _NOBODY}
_GROUP: Mapping[str, Any] = {"GroupName": _NOBODY}
_NO_POLICY = "arn:aws:iam::aws:policy/trailwarden-probe-of-nothing"
_NO_INSTANCE: Mapping[str, Any] = {"MaxResults": 5}

#: Either of the two is enough for what needs them.
ALTERNATIVES: Mapping[str, str] = {
    "account:ListRegions": "ec2:DescribeRegions",
    "ec2:DescribeRegions": "account:ListRegions",
}
#: IAM action -> its probe. Only reads stand here; a test keeps it so.
PROBES: Mapping[str, Probe] = {
    "access-analyzer:ListAnalyzers": Probe("accessanalyzer", "list_analyzers", {"maxResults": 1}),
    "account:ListRegions": Probe("account", "list_regions", {"MaxResults": 1}, _GLOBAL),
    "autoscaling:DescribeAutoScalingInstances": Probe(
        "autoscaling", "describe_auto_scaling_instances", {"MaxRecords": 1}
    ),
    "cloudtrail:DescribeTrails": Probe("cloudtrail", "describe_trails"),
    "cloudtrail:GetEventSelectors": Probe("cloudtrail", "get_event_selectors", {"TrailName": _NOBODY}),
    "cloudtrail:GetInsightSelectors": Probe("cloudtrail", "get_insight_selectors", {"TrailName": _NOBODY}),
    "cloudtrail:GetTrail": Probe("cloudtrail", "get_trail", {"Name": _NOBODY}),
    "cloudtrail:GetTrailStatus": Probe("cloudtrail", "get_trail_status", {"Name": _NOBODY}),
    "cloudtrail:ListEventDataStores": Probe("cloudtrail", "list_event_data_stores", {"MaxResults": 1}),
    "cloudtrail:ListPublicKeys": Probe("cloudtrail", "list_public_keys"),
    "cloudtrail:ListTrails": Probe("cloudtrail", "list_trails"),
    "cloudtrail:LookupEvents": Probe("cloudtrail", "lookup_events", {"MaxResults": 1}),
    "ec2:DescribeAddresses": Probe("ec2", "describe_addresses"),
    "ec2:DescribeIamInstanceProfileAssociations": Probe(
        "ec2", "describe_iam_instance_profile_associations", _NO_INSTANCE
    ),
    "ec2:DescribeInstances": Probe("ec2", "describe_instances", _NO_INSTANCE),
    "ec2:DescribeNatGateways": Probe("ec2", "describe_nat_gateways", _NO_INSTANCE),
    "ec2:DescribeNetworkInterfaces": Probe("ec2", "describe_network_interfaces", _NO_INSTANCE),
    "ec2:DescribeRegions": Probe("ec2", "describe_regions"),
    "ec2:DescribeSecurityGroups": Probe("ec2", "describe_security_groups", _NO_INSTANCE),
    "ec2:DescribeSnapshots": Probe("ec2", "describe_snapshots", {"OwnerIds": ["self"], "MaxResults": 5}),
    "ec2:DescribeVolumes": Probe("ec2", "describe_volumes", _NO_INSTANCE),
    "guardduty:ListDetectors": Probe("guardduty", "list_detectors", {"MaxResults": 1}),
    "iam:GetAccountAuthorizationDetails": Probe(
        "iam", "get_account_authorization_details", {"Filter": ["Group"], "MaxItems": 1}
    ),
    "iam:GetAccountPasswordPolicy": Probe("iam", "get_account_password_policy"),
    "iam:GetAccountSummary": Probe("iam", "get_account_summary"),
    "iam:GetCredentialReport": Probe("iam", "get_credential_report"),
    "iam:GetGroup": Probe("iam", "get_group", _GROUP),
    "iam:GetGroupPolicy": Probe("iam", "get_group_policy", {**_GROUP, "PolicyName": _NOBODY}),
    "iam:GetInstanceProfile": Probe("iam", "get_instance_profile", {"InstanceProfileName": _NOBODY}),
    "iam:GetLoginProfile": Probe("iam", "get_login_profile", _USER),
    "iam:GetOpenIDConnectProvider": Probe(
        "iam",
        "get_open_id_connect_provider",
        {"OpenIDConnectProviderArn": "arn:aws:iam::111111111111:oidc-provider/probe.invalid"},
    ),
    "iam:GetPolicy": Probe("iam", "get_policy", {"PolicyArn": _NO_POLICY}),
    "iam:GetPolicyVersion": Probe("iam", "get_policy_version", {"PolicyArn": _NO_POLICY, "VersionId": "v1"}),
    "iam:GetRole": Probe("iam", "get_role", _ROLE),
    "iam:GetRolePolicy": Probe("iam", "get_role_policy", {**_ROLE, "PolicyName": _NOBODY}),
    "iam:GetServiceLastAccessedDetails": Probe("iam", "get_service_last_accessed_details", {"JobId": _NO_ID}),
    "iam:GetUser": Probe("iam", "get_user", _USER),
    "iam:GetUserPolicy": Probe("iam", "get_user_policy", {**_USER, "PolicyName": _NOBODY}),
    "iam:ListAccessKeys": Probe("iam", "list_access_keys", _USER),
    "iam:ListAccountAliases": Probe("iam", "list_account_aliases"),
    "iam:ListAttachedGroupPolicies": Probe("iam", "list_attached_group_policies", _GROUP),
    "iam:ListAttachedRolePolicies": Probe("iam", "list_attached_role_policies", _ROLE),
    "iam:ListAttachedUserPolicies": Probe("iam", "list_attached_user_policies", _USER),
    "iam:ListEntitiesForPolicy": Probe("iam", "list_entities_for_policy", {"PolicyArn": _NO_POLICY}),
    "iam:ListGroupPolicies": Probe("iam", "list_group_policies", _GROUP),
    "iam:ListGroups": Probe("iam", "list_groups", {"MaxItems": 1}),
    "iam:ListGroupsForUser": Probe("iam", "list_groups_for_user", _USER),
    "iam:ListInstanceProfiles": Probe("iam", "list_instance_profiles", {"MaxItems": 1}),
    "iam:ListInstanceProfilesForRole": Probe("iam", "list_instance_profiles_for_role", _ROLE),
    "iam:ListMFADevices": Probe("iam", "list_mfa_devices", _USER),
    "iam:ListOpenIDConnectProviders": Probe("iam", "list_open_id_connect_providers"),
    "iam:ListPolicies": Probe("iam", "list_policies", {"Scope": "Local", "MaxItems": 1}),
    "iam:ListPolicyVersions": Probe("iam", "list_policy_versions", {"PolicyArn": _NO_POLICY}),
    "iam:ListRolePolicies": Probe("iam", "list_role_policies", _ROLE),
    "iam:ListRoleTags": Probe("iam", "list_role_tags", _ROLE),
    "iam:ListRoles": Probe("iam", "list_roles", {"MaxItems": 1}),
    "iam:ListSAMLProviders": Probe("iam", "list_saml_providers"),
    "iam:ListServiceSpecificCredentials": Probe("iam", "list_service_specific_credentials", _USER),
    "iam:ListSigningCertificates": Probe("iam", "list_signing_certificates", _USER),
    "iam:ListSSHPublicKeys": Probe("iam", "list_ssh_public_keys", _USER),
    "iam:ListUserPolicies": Probe("iam", "list_user_policies", _USER),
    "iam:ListUserTags": Probe("iam", "list_user_tags", _USER),
    "iam:ListUsers": Probe("iam", "list_users", {"MaxItems": 1}),
    "iam:ListVirtualMFADevices": Probe("iam", "list_virtual_mfa_devices", {"MaxItems": 1}),
    "organizations:DescribeOrganization": Probe("organizations", "describe_organization", {}, _GLOBAL),
    "organizations:ListAccounts": Probe("organizations", "list_accounts", {"MaxResults": 1}, _GLOBAL),
    "sso:ListInstances": Probe("sso-admin", "list_instances", {"MaxResults": 1}),
    "sts:GetAccessKeyInfo": Probe("sts", "get_access_key_info", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}),
    "sts:GetCallerIdentity": Probe("sts", "get_caller_identity"),
    "wafv2:ListIPSets": Probe("wafv2", "list_ip_sets", {"Scope": "REGIONAL", "Limit": 1}),
    "wafv2:ListWebACLs": Probe("wafv2", "list_web_acls", {"Scope": "REGIONAL", "Limit": 1}),
}


def probe_all(
    session: AwsSession,
    actions: Iterable[str],
    *,
    simulate_as: str | None,
    partition: str,
    workers: int = 8,
) -> Mapping[str, Permission]:
    """Each of ``actions`` tried once, several at a time. ``simulate_as`` is the role's ARN for the simulator."""
    wanted = sorted(set(actions))
    probed = [action for action in wanted if action in PROBES]
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="probe") as pool:
        found = dict(zip(probed, pool.map(lambda action: probe(session, action, partition), probed), strict=True))
    rest = [action for action in wanted if action not in PROBES]
    found.update(_simulated(session, rest, simulate_as) if rest and simulate_as else {})
    return {action: found.get(action, Permission(action=action, result="not_probed")) for action in wanted}


def probe(session: AwsSession, action: str, partition: str) -> Permission:
    """Try one action of PROBES."""
    call = PROBES[action]
    region = call.region if partition == "aws" else None
    try:
        client = session.client(call.service, region)
        with aws_errors(action, account=session.account, region=region or session.default_region):
            method: Callable[..., Any] = getattr(client, call.method)
            method(**call.arguments)
    except AccessDenied as error:
        return Permission(action=action, result="denied", error=error)
    except (ExpiredCredentials, NoCredentials, Throttled, Unreachable) as error:
        return Permission(action=action, result="unknown", error=error)
    except AwsError as error:
        return Permission(action=action, result=_meaning(error), error=error)
    return Permission(action=action, result="allowed")


def _meaning(error: AwsError) -> ProbeResult:
    """What an error other than a denial says: the service looked, so it was allowed; or it never came that far."""
    response = getattr(error.__cause__, "response", None)
    if response is None:
        return "unknown"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return "allowed" if 400 <= status < 500 else "unknown"


def _simulated(session: AwsSession, actions: list[str], role_arn: str) -> Mapping[str, Permission]:
    """What the policy simulator says; nothing where it may not be asked."""
    found: dict[str, Permission] = {}
    try:
        client = session.client("iam")
        with aws_errors("iam:SimulatePrincipalPolicy", account=session.account):
            pages = client.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=role_arn, ActionNames=actions
            )
            for page in pages:
                for entry in page["EvaluationResults"]:
                    allowed = entry["EvalDecision"] == "allowed"
                    result: ProbeResult = "simulated_allowed" if allowed else "simulated_denied"
                    found[entry["EvalActionName"]] = Permission(action=entry["EvalActionName"], result=result)
    except AwsError:
        return {}  # the simulator is a second opinion: without it the actions are reported as not probed
    return found

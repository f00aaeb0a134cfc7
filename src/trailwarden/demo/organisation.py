"""The simulated organisation in the emulator: what its accounts hold on the morning after the incident.

It is built through AWS's own API as far as that goes; ids that AWS would choose are then set in the
emulator's model, so that they are those in the records.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from ..progress import Progress, Silent
from .activity import root_sign_in, stream
from .archive import archive
from .iam_principals import PROTECT_TRAIL
from .iam_world_build import build_iam_world
from .ids import access_key_id, principal_id
from .incident import Story, incident
from .people import IamUser
from .records import Recorded
from .roles import AWS_POLICY, PERMISSION_SETS, Role, allow, oidc_issuer, policy, saml_provider_name
from .scenario import INSTALLATION_USER, Connection, Scenario

if TYPE_CHECKING:
    from .emulator import Emulator

#: Event history holds at most about so many of the newest records of a large scenario.
_HISTORY_RECORDS = 30_000
_HISTORY = timedelta(days=7)
_PARTITION = "aws"


def build_organisation(scenario: Scenario, emulator: "Emulator", *, progress: Progress | None = None) -> None:
    """Create everything in a started emulator that holds nothing of these accounts yet.

    The installation's principal is the IAM user ``trailwarden-installation`` of the management account:
    ``emulator.environment(scenario.management.id, user="trailwarden-installation")`` gives its credentials.
    The trail's bucket holds all records; event history those of the last seven days, at most about 30,000.
    """
    watcher = progress or Silent()
    story = incident(scenario)
    with watcher.task("Building the organisation", total=8, unit="steps") as task:
        for step, note in (
            (_organization, "accounts"),
            (_roles, "roles"),
            (_users, "users"),
            (_unused_credentials, "credentials that nobody uses"),
            (_identity_center, "Identity Center"),
            (_instances, "instances"),
            (_web_acls, "web ACLs"),
            (_iam_world, "roles and policies beside those"),
        ):
            step(scenario, emulator, story)
            task.advance(1, note=note)
    _trail(scenario, emulator, watcher)


@contextmanager
def _choosing(module: Any, name: str, value: str) -> Iterator[None]:
    """Let the emulator's model choose ``value`` where it would draw an id at random with ``module.name``."""
    drawn = getattr(module, name)
    setattr(module, name, lambda *_args, **_options: value)
    try:
        yield
    finally:
        setattr(module, name, drawn)


def _organization(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    from moto.organizations import utils  # noqa: PLC0415
    from moto.organizations.models import organizations_backends  # noqa: PLC0415

    management = scenario.management
    client = emulator.session(management.id).client("organizations")
    with _choosing(utils, "make_random_org_id", scenario.organization_id):
        client.create_organization(FeatureSet="ALL")
    model = organizations_backends[management.id][_PARTITION]
    model.org.master_account_email = management.email
    model.accounts[0].name, model.accounts[0].email = management.name, management.email
    root = client.list_roots()["Roots"][0]["Id"]
    for account in scenario.accounts[1:]:
        with _choosing(utils, "make_random_account_id", account.id):
            client.create_account(AccountName=account.name, Email=account.email)
        unit = client.create_organizational_unit(ParentId=root, Name=account.unit)["OrganizationalUnit"]["Id"]
        client.move_account(AccountId=account.id, SourceParentId=root, DestinationParentId=unit)
    made = client.create_policy(
        Name="ProtectTrail",
        Description="Nobody in a member account touches the organisation trail",
        Type="SERVICE_CONTROL_POLICY",
        Content=PROTECT_TRAIL,
    )
    client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=root)


def _iam_model(account_id: str) -> Any:
    from moto.iam.models import iam_backends  # noqa: PLC0415

    return iam_backends[account_id][_PARTITION]


def _roles(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    random = Random(f"last used {scenario.seed}")
    issuer = oidc_issuer(scenario.seed)
    for account in scenario.accounts:
        iam = emulator.session(account.id).client("iam")
        iam.create_saml_provider(
            Name=saml_provider_name(scenario.seed, account.id), SAMLMetadataDocument=_metadata("portal.sso")
        )
        iam.create_open_id_connect_provider(
            Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"]
        )
        if account is scenario.production:
            iam.create_saml_provider(Name="CompanyOkta", SAMLMetadataDocument=_metadata("idp.company.com"))
            iam.create_open_id_connect_provider(Url=f"https://{issuer}", ClientIDList=["sts.amazonaws.com"])
        model = _iam_model(account.id)
        for provider in (*model.saml_providers.values(), *model.open_id_providers.values()):
            provider.create_date = scenario.anchor - timedelta(days=640)
        for role in scenario.roles:
            if role.account_id == account.id:
                _create_role(iam, model, role)
                created = next(held for held in model.roles.values() if held.name == role.name)
                created.create_date = scenario.anchor - timedelta(days=90 + random.randrange(600))
                never = role.name in {"AdminRole", "TrailwardenReadOnly"}
                created.last_used = None if never else scenario.anchor - timedelta(hours=9 + random.randrange(60))


def _create_role(iam: Any, model: Any, role: Role) -> None:
    from .emulator.world import load_aws_policies  # noqa: PLC0415

    if role.path.startswith("/aws-service-role/"):
        linked = f"{role.path.split('/')[2]}"
        created = model.create_role(role.name, role.trust, role.path, None, "", [], "3600", linked)
        created.policies = dict(role.inline)
        load_aws_policies(model, role.managed)
        for arn in role.managed:
            model.attach_role_policy(arn, role.name)
    else:
        iam.create_role(RoleName=role.name, Path=role.path, AssumeRolePolicyDocument=role.trust)
        for name, document in role.inline.items():
            iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=document)
        for arn in role.managed:
            iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)
    held = next(key for key, created in model.roles.items() if created.name == role.name)
    renamed = model.roles.pop(held)
    renamed.id = role.id
    model.roles[role.id] = renamed


def _metadata(host: str) -> str:
    """SAML metadata of an identity provider, with a certificate that is none (AWS wants 1,000 characters at least)."""
    certificate = "DEMO" * 240
    return (
        f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://{host}/">'
        f"<IDPSSODescriptor><KeyDescriptor><X509Certificate>{certificate}</X509Certificate></KeyDescriptor>"
        f'<SingleSignOnService Location="https://{host}/sso"/></IDPSSODescriptor></EntityDescriptor>'
    )


def developer_groups(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """The groups of IAM users in the member accounts: a managed policy or none, an inline policy or none."""
    deploy = scenario.role(scenario.development.id, "DeployRole").arn
    developer = policy(
        allow(
            [
                *("iam:GetUser", "iam:GetRole", "iam:ListUsers", "iam:ListRoles", "iam:ListGroupsForUser"),
                *("iam:ListAccessKeys", "iam:ListUserPolicies", "iam:ListAttachedUserPolicies"),
                *("iam:ListAttachedRolePolicies", "iam:ListInstanceProfiles", "iam:ListAccountAliases"),
                *("iam:GetAccountSummary", "s3:ListAllMyBuckets", "s3:GetBucket*", "ec2:Describe*", "ec2:CreateTags"),
                *("lambda:ListFunctions", "rds:DescribeDBInstances", "secretsmanager:ListSecrets", "kms:ListKeys"),
                *("organizations:DescribeOrganization", "cloudtrail:DescribeTrails", "logs:Describe*"),
                "cloudformation:Describe*",
            ]
        ),
        allow("sts:AssumeRole", [deploy, scenario.role(scenario.production.id, "AdminRole").arn]),
        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::acme-production-exports"},
    )
    return {"developers": ("", developer), "operators": (f"{AWS_POLICY}PowerUserAccess", "")}


def _users(scenario: Scenario, emulator: "Emulator", story: Story) -> None:
    for account in (scenario.production, scenario.development):
        iam = emulator.session(account.id).client("iam")
        for group, (managed, inline) in developer_groups(scenario).items():
            iam.create_group(GroupName=group)
            if managed:
                iam.attach_group_policy(GroupName=group, PolicyArn=managed)
            if inline:
                iam.put_group_policy(GroupName=group, PolicyName=f"{group}-access", PolicyDocument=inline)
        for user in scenario.iam_users:
            if user.account_id == account.id:
                _create_user(scenario, iam, user, story)
    installation = emulator.session(scenario.management.id).client("iam")
    installation.create_user(UserName=INSTALLATION_USER)
    installation.put_user_policy(
        UserName=INSTALLATION_USER,
        PolicyName="AssumeConnections",
        PolicyDocument=policy(allow(["sts:AssumeRole", "sts:SetSourceIdentity"], "arn:aws:iam::*:role/Trailwarden*")),
    )
    iam = emulator.session(scenario.development.id).client("iam")
    iam.create_user(UserName=story.backdoor_user)
    iam.attach_user_policy(UserName=story.backdoor_user, PolicyArn=f"{AWS_POLICY}AdministratorAccess")
    model = _iam_model(scenario.development.id)
    backdoor = model.users[story.backdoor_user]
    backdoor.id, backdoor.create_date = story.backdoor_user_id, story.last_call + timedelta(seconds=75)
    _create_key(iam, model, backdoor.name, story.backdoor_key, backdoor.create_date, (story.ended, "sts"))


def _unused_credentials(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    """What is configured and does not occur in the records, and the root users."""
    from .emulator import Root  # noqa: PLC0415

    made = scenario.anchor - timedelta(days=430)
    # Nobody has used the emergency user of the management account yet; emma has never used what she was given.
    for account, name, owner, mfa in (
        (scenario.management, "break-glass", "", True),
        (scenario.development, "emma", scenario.person("emma").email, False),
    ):
        iam, model = emulator.session(account.id).client("iam"), _iam_model(account.id)
        tags = [{"Key": "email", "Value": owner}] if owner else [{"Key": "purpose", "Value": "emergency"}]
        iam.create_user(UserName=name, Tags=tags)
        user = model.users[name]
        user.id, user.create_date = principal_id("AIDA", scenario.seed, account.id, name), made
        _give_password(iam, name)
        if mfa:
            _give_mfa(iam, name)
        else:
            _create_key(iam, model, name, access_key_id(scenario.seed, account.id, name, "430"), made, None)
    iam = emulator.session(scenario.development.id).client("iam")
    iam.create_saml_provider(Name="LegacyADFS", SAMLMetadataDocument=_metadata("adfs.company.com"))
    legacy = _iam_model(scenario.development.id).saml_providers["LegacyADFS"]
    legacy.create_date = scenario.anchor - timedelta(days=1_380)
    opened = scenario.anchor - timedelta(days=1_460)
    emulator.set_root(scenario.management.id, Root(opened, mfa=True, signed_in=root_sign_in(scenario)))
    emulator.set_root(scenario.production.id, Root(opened, mfa=True))
    emulator.set_root(scenario.development.id, Root(opened, mfa=False))


def _give_password(iam: Any, name: str) -> None:
    iam.create_login_profile(UserName=name, Password="Correct-Horse-7-Battery", PasswordResetRequired=False)  # noqa: S106 - of a simulated user


def _give_mfa(iam: Any, name: str) -> None:
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName=name, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )


def _create_user(scenario: Scenario, iam: Any, user: IamUser, story: Story) -> None:
    tags = [{"Key": "email", "Value": user.owner}] if user.owner else [{"Key": "purpose", "Value": "automation"}]
    iam.create_user(UserName=user.name, Tags=tags)
    model = _iam_model(user.account_id)
    held = model.users[user.name]
    held.id = user.id
    held.create_date = scenario.anchor - timedelta(days=max((age for _, age in user.keys), default=480) + 1)
    for group in user.groups:
        iam.add_user_to_group(GroupName=group, UserName=user.name)
    for arn in user.policies:
        iam.attach_user_policy(UserName=user.name, PolicyArn=arn)
    if user.console:
        _give_password(iam, user.name)
        held.password_last_used = scenario.anchor - timedelta(hours=30)
    if user.mfa:
        _give_mfa(iam, user.name)
    for key, age in user.keys:
        stolen = key == story.stolen_key
        last = (story.last_call, "sts") if stolen else (scenario.anchor - timedelta(hours=11), "ec2")
        _create_key(iam, model, user.name, key, scenario.anchor - timedelta(days=age), last)


def _create_key(  # noqa: PLR0917 - what a key is
    iam: Any, model: Any, user_name: str, key: str, created: datetime, last_used: tuple[datetime, str] | None
) -> None:
    from moto.iam.models import AccessKeyLastUsed  # noqa: PLC0415

    drawn = iam.create_access_key(UserName=user_name)["AccessKey"]["AccessKeyId"]
    held = model.access_keys.pop(drawn)
    held.access_key_id, held.create_date = key, created
    held.last_used = AccessKeyLastUsed(last_used[0], last_used[1], "us-east-1") if last_used is not None else None
    model.access_keys[key] = held


def _identity_center(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    from moto.identitystore.models import identitystore_backends  # noqa: PLC0415

    emulator.enable_identity_center(
        scenario.management.id,
        scenario.sso_region,
        instance_arn=scenario.instance_arn,
        identity_store_id=scenario.identity_store_id,
    )
    session = emulator.session(scenario.management.id, region=scenario.sso_region)
    admin, directory = session.client("sso-admin"), session.client("identitystore")
    store = scenario.identity_store_id
    model = identitystore_backends[scenario.management.id][scenario.sso_region]
    groups: dict[str, str] = {}
    for person in scenario.people:
        if person.federation != "identity_center":
            continue
        drawn = directory.create_user(
            IdentityStoreId=store,
            UserName=person.email,
            Name={"GivenName": person.given, "FamilyName": person.family},
            DisplayName=f"{person.given} {person.family}",
            Emails=[{"Value": person.email, "Type": "work", "Primary": True}],
            Timezone=person.place.zone,
        )["UserId"]
        users = model.identity_stores[store].users
        users[person.user_id] = users.pop(drawn)._replace(UserId=person.user_id)
        if person.team not in groups:
            made = directory.create_group(IdentityStoreId=store, DisplayName=person.team, Description="A team")
            groups[person.team] = made["GroupId"]
        directory.create_group_membership(
            IdentityStoreId=store, GroupId=groups[person.team], MemberId={"UserId": person.user_id}
        )
    sets: dict[str, str] = {}
    for name, policies in PERMISSION_SETS.items():
        made = admin.create_permission_set(Name=name, InstanceArn=scenario.instance_arn, SessionDuration="PT8H")
        sets[name] = made["PermissionSet"]["PermissionSetArn"]
        for managed in policies:
            admin.attach_managed_policy_to_permission_set(
                InstanceArn=scenario.instance_arn, PermissionSetArn=sets[name], ManagedPolicyArn=AWS_POLICY + managed
            )
    assigned = {
        ("USER", person.user_id, assignment)
        if (person.name, assignment.permission_set) == ("jane", "AdministratorAccess")
        else ("GROUP", groups[person.team], assignment)
        for person in scenario.people
        if person.federation == "identity_center"
        for assignment in person.assignments
    }
    for kind, principal, assignment in sorted(assigned, key=str):
        admin.create_account_assignment(
            InstanceArn=scenario.instance_arn,
            TargetId=assignment.account_id,
            TargetType="AWS_ACCOUNT",
            PermissionSetArn=sets[assignment.permission_set],
            PrincipalType=kind,
            PrincipalId=principal,
        )


def _instances(scenario: Scenario, emulator: "Emulator", story: Story) -> None:
    from moto.ec2.models import ec2_backends, instances  # noqa: PLC0415

    for workload in scenario.workloads:
        if workload.kind != "instance":
            continue
        session = emulator.session(workload.account_id, region=workload.region)
        iam, ec2 = session.client("iam"), session.client("ec2")
        iam.create_instance_profile(InstanceProfileName=workload.name)
        iam.add_role_to_instance_profile(InstanceProfileName=workload.name, RoleName=workload.role)
        image = next(iter(ec2_backends[workload.account_id][workload.region].amis))
        for number, instance_id in enumerate(workload.instances):
            tags = [{"Key": "Name", "Value": f"{workload.name}-{number + 1}"}]
            with _choosing(instances, "random_instance_id", instance_id):
                ec2.run_instances(
                    ImageId=image,
                    MinCount=1,
                    MaxCount=1,
                    InstanceType="t3.medium",
                    IamInstanceProfile={"Name": workload.name},
                    TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
                )
    ec2 = emulator.session(scenario.development.id, region=story.rogue_region).client("ec2")
    image = next(iter(ec2_backends[scenario.development.id][story.rogue_region].amis))
    with _choosing(instances, "random_instance_id", story.rogue_instance):
        ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="g5.12xlarge")


def _web_acls(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    """Blocked addresses of the web shop: in front of its load balancers, and of its distribution."""
    for region, scope in (("eu-central-1", "REGIONAL"), ("us-east-1", "REGIONAL"), ("us-east-1", "CLOUDFRONT")):
        waf = emulator.session(scenario.production.id, region=region).client("wafv2")
        made = {}
        for version, addresses in (("IPV4", ["192.0.2.66/32"]), ("IPV6", ["2001:db8:66::/64"])):
            made[version] = waf.create_ip_set(
                Name=f"blocked-{version.lower()}",
                Scope=scope,
                IPAddressVersion=version,
                Addresses=addresses,
                Description="Addresses that the web shop refuses",
            )["Summary"]["ARN"]

        def seen(name: str) -> dict[str, Any]:
            return {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": name}

        waf.create_web_acl(
            Name="webshop",
            Scope=scope,
            DefaultAction={"Allow": {}},
            VisibilityConfig=seen("webshop"),
            Rules=[
                {
                    "Name": f"block-{version.lower()}",
                    "Priority": number,
                    "Statement": {"IPSetReferenceStatement": {"ARN": arn}},
                    "Action": {"Block": {}},
                    "VisibilityConfig": seen(f"block-{version.lower()}"),
                }
                for number, (version, arn) in enumerate(made.items())
            ],
        )


def _iam_world(scenario: Scenario, emulator: "Emulator", _story: Story) -> None:
    build_iam_world(scenario, emulator)


def _trail(scenario: Scenario, emulator: "Emulator", progress: Progress) -> None:
    from moto.s3.models import s3_backends  # noqa: PLC0415

    session = emulator.session(scenario.management.id)
    bucket = scenario.trail_bucket
    session.client("s3").create_bucket(Bucket=bucket)
    trail = session.client("cloudtrail")
    session.client("s3").put_bucket_policy(Bucket=bucket, Policy=_bucket_policy(scenario))
    trail.create_trail(
        Name=scenario.trail_name,
        S3BucketName=bucket,
        IsMultiRegionTrail=True,
        IsOrganizationTrail=True,
        IncludeGlobalServiceEvents=True,
        EnableLogFileValidation=False,
    )
    trail.start_logging(Name=scenario.trail_name)
    store = s3_backends[scenario.management.id][_PARTITION]

    def put(key: str, body: bytes) -> None:
        store.put_object(bucket, key, body)

    reach = min(_HISTORY, (scenario.anchor - scenario.start) * _HISTORY_RECORDS / scenario.records)
    since = int((scenario.anchor - max(reach, timedelta(days=1))).timestamp())
    history: dict[tuple[str, str], list[bytes | dict[str, Any]]] = {}

    def kept() -> Iterator[Recorded]:
        for recorded in stream(scenario):
            if recorded.seconds >= since:
                history.setdefault((recorded.account_id, recorded.region), []).append(recorded.body)
            yield recorded

    archive(scenario, kept(), put, progress=progress)
    for (account_id, region), records in history.items():
        emulator.put_events(account_id, region, records)


def _bucket_policy(scenario: Scenario) -> str:
    resource = f"arn:aws:s3:::{scenario.trail_bucket}"
    readers = [connection.role_arn for connection in _management_connection(scenario)]
    statements = [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": action, "Resource": on}
        for action, on in (("s3:GetBucketAcl", resource), ("s3:PutObject", f"{resource}/AWSLogs/*"))
    ]
    reading = {
        "Effect": "Allow",
        "Principal": {"AWS": readers},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [resource, f"{resource}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements, reading]})


def _management_connection(scenario: Scenario) -> tuple[Connection, ...]:
    return tuple(c for c in scenario.connections if c.account == scenario.management)

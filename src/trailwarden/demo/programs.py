"""How each kind of program gets its credentials, and what CloudTrail records of it."""

from random import Random
from typing import Any

from .actions import new_uuid
from .issuance import Timed, assume_role, assumed, issued_by_service, role_identity, role_resource
from .records import Caller, session_key, single
from .roles import VENDOR_ACCOUNT, Role, oidc_issuer
from .scenario import Scenario
from .workloads import Workload

_WORKLOAD_AGENTS = {
    "function": "Boto3/1.40.52 md/Botocore#1.40.52 ua/2.1 os/linux#5.10.245 md/arch#x86_64 lang/python#3.13.7 "
    "md/pyimpl#CPython exec-env/AWS_Lambda_python3.13 m/Z,b,e cfg/retry-mode#legacy Botocore/1.40.52",
    "irsa": "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#amd64 m/E,g,k",
    "pod_identity": "aws-sdk-java/2.35.6 md/io#sync ua/2.1 os/Linux#6.12.46 lang/java#21.0.8 m/D,N,AA",
    "instance": "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64 m/E,e",
    "github": "aws-sdk-js/3.901.0 ua/2.1 os/linux#6.11.0-1018-azure md/nodejs#20.19.5 m/E,k configure-aws-credentials",
    "vendor": "metrics-collector/4.12 aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 m/E",
}  # fmt: skip


def workload_session(scenario: Scenario, workload: Workload, at: int, random: Random) -> tuple[list[Timed], Caller]:
    """A session of a program, by the way in which that program gets its credentials."""
    region, ip = workload.region, workload.ip
    agent = _WORKLOAD_AGENTS.get(workload.kind, workload.subject)
    if workload.kind == "service":
        identity = {"type": "AWSService", "invokedBy": workload.subject}
        return [], Caller(
            identity,
            arn=workload.subject,
            account_id=workload.account_id,
            region=region,
            ip=workload.subject,
            agent=workload.subject,
            service=True,
        )
    role = scenario.role(workload.account_id, workload.role)
    key = session_key(random)
    records: list[Timed] = []
    context: dict[str, Any] = {}
    more: dict[str, Any] = {}
    created = at
    match workload.kind:
        case "instance":
            session_name = random.choice(workload.instances)
            records.append(
                Timed(
                    at,
                    issued_by_service(role, session_name, "ec2.amazonaws.com", random, key=key, at=at, region=region),
                )
            )
            created = at + random.randrange(1, 40)
            context = {"ec2RoleDelivery": workload.imds}
            arn = f"arn:aws:ec2:{region}:{role.account_id}:instance/{session_name}"
            more = {"inScopeOf": {"issuerType": "AWS::EC2::Instance", "credentialsIssuedTo": arn}}
        case "function":
            session_name = workload.subject
            records.append(
                Timed(
                    at,
                    issued_by_service(
                        role, session_name, "lambda.amazonaws.com", random, key=key, at=at, region=region, hours=12
                    ),
                )
            )
            arn = f"arn:aws:lambda:{region}:{role.account_id}:function:{session_name}"
            more = {"inScopeOf": {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": arn}}
        case "irsa" | "github" | "chain":
            records, session_name = _web_identity(scenario, workload, role, random, key=key, at=at)
            host = oidc_issuer(scenario.seed) if workload.kind == "irsa" else "token.actions.githubusercontent.com"
            provider = f"arn:aws:iam::{role.account_id}:oidc-provider/{host}"
            context = {"webIdFederationData": {"federatedProvider": provider, "attributes": {}}}
        case "pod_identity":
            records, session_name = _pod_identity(scenario, workload, role, random, key=key, at=at)
        case "vendor":
            session_name = workload.subject
            vendor = {"accountId": VENDOR_ACCOUNT, "principalId": f"AROADEMOVENDOR0000001:{workload.subject}"}
            external = role.trust.split('"sts:ExternalId": "')[1].split('"')[0]
            records = assume_role(
                vendor, role, session_name, at, random, key=key, ip=ip, agent=agent, region=region,
                request={"externalId": external, "durationSeconds": 3600},
            )  # fmt: skip
        case "linked_role":
            session_name = "AutoScaling" if workload.name == "autoscaling" else "AWSConfig-Describe"
            records.append(
                Timed(
                    at,
                    issued_by_service(
                        role, session_name, workload.subject, random, key=key, at=at, region=region, hours=1
                    ),
                )
            )
            key, ip, agent, more = (
                session_key(random),
                workload.subject,
                workload.subject,
                {"invokedBy": workload.subject},
            )
        case _:  # forward access: a service calls on with a program's session
            session_name = role.name
            records.append(
                Timed(
                    at,
                    issued_by_service(
                        role, session_name, "lambda.amazonaws.com", random, key=key, at=at, region=region, hours=12
                    ),
                )
            )
            ip, agent, more = workload.subject, workload.subject, {"invokedBy": workload.subject}
    identity = role_identity(role, session_name, key=key, created=created, context=context, **more)
    if workload.kind == "chain":
        target = scenario.role(scenario.development.id, "DeployRole")
        chained, name = session_key(random), "deploy-infrastructure"
        source = {"sourceIdentity": workload.subject.replace(":", "-").replace("/", "-")[:64]}
        records += assume_role(
            identity, target, name, at + 4, random, key=chained, ip=ip, agent=_WORKLOAD_AGENTS["github"], region=region,
            request={"durationSeconds": 3600, **source},
        )  # fmt: skip
        identity = role_identity(target, name, key=chained, created=at + 4, context=source)
        role, session_name, agent = target, name, _WORKLOAD_AGENTS["github"]
    caller = Caller(
        identity,
        arn=role.session_arn(session_name),
        account_id=role.account_id,
        region=region,
        ip=ip,
        agent=agent,
        service=workload.kind in {"linked_role", "forward_access"},
        vpc_endpoint=workload.vpc_endpoint,
    )
    return records, caller


def _web_identity(
    scenario: Scenario, workload: Workload, role: Role, random: Random, *, key: str, at: int
) -> tuple[list[Timed], str]:
    pods = workload.kind == "irsa"
    host = oidc_issuer(scenario.seed) if pods else "token.actions.githubusercontent.com"
    provider = f"arn:aws:iam::{role.account_id}:oidc-provider/{host}"
    session_name = f"{at}{random.randrange(10**9):09d}" if pods else "GitHubActions"
    record = single(
        identity={
            "type": "WebIdentityUser",
            "principalId": f"{provider}:sts.amazonaws.com:{workload.subject}",
            "userName": workload.subject,
            "identityProvider": provider,
        },
        source="sts",
        name="AssumeRoleWithWebIdentity",
        account_id=role.account_id,
        region=workload.region,
        ip=workload.ip,
        agent=_WORKLOAD_AGENTS["irsa" if pods else "github"],
        request={"roleArn": role.arn, "roleSessionName": session_name, "durationSeconds": 3600},
        response={
            **assumed(role, session_name, key, at),
            "subjectFromWebIdentityToken": workload.subject,
            "provider": provider,
            "audience": "sts.amazonaws.com",
        },
        resources=[role_resource(role)],
        read=True,
        host=f"sts.{workload.region}.amazonaws.com",
    )
    return [Timed(at, record)], session_name


def _pod_identity(
    scenario: Scenario, workload: Workload, role: Role, random: Random, *, key: str, at: int
) -> tuple[list[Timed], str]:
    """The node asks for the pod (eks-auth), and EKS assumes the role for it (sts)."""
    node = scenario.role(workload.account_id, "eks-prod-node")
    instance = random.choice(workload.instances)
    session_name = f"eks-eks-prod-{workload.name}-{new_uuid(random)}"[:64]
    namespace, account = workload.subject.split(":")[2:]
    associations = f"arn:aws:eks:{workload.region}:{role.account_id}:podidentityassociation"
    association = f"a-{random.getrandbits(68):017x}"
    node_key = session_key(random)
    asked = single(
        identity=role_identity(
            node,
            instance,
            key=node_key,
            created=at - 60,
            context={"ec2RoleDelivery": "2.0"},
        ),
        source="eks-auth",
        name="AssumeRoleForPodIdentity",
        account_id=role.account_id,
        region=workload.region,
        ip="192.0.2.16",
        agent="aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 eks-pod-identity-agent/0.1.33",
        request={"clusterName": "eks-prod", "token": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        response={
            "subject": {"namespace": namespace, "serviceAccount": account},
            "audience": "pods.eks.amazonaws.com",
            "podIdentityAssociation": {
                "associationArn": f"{associations}/eks-prod/{association}",
                "associationId": association,
            },
            "assumedRoleUser": {"arn": role.session_arn(session_name), "assumeRoleId": role.session_id(session_name)},
            "credentials": "HIDDEN_DUE_TO_SECURITY_REASONS",
        },
        host=f"eks-auth.{workload.region}.api.aws",
    )  # fmt: skip
    node_issued = issued_by_service(
        node, instance, "ec2.amazonaws.com", random, key=node_key, at=at - 60, region=workload.region
    )
    issued = issued_by_service(
        role, session_name, "pods.eks.amazonaws.com", random, key=key, at=at, region=workload.region
    )
    return [Timed(at - 60, node_issued), Timed(at, asked), Timed(at, issued)], session_name

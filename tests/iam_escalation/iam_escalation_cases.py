"""What each rule asks for, written down by hand: its actions with a resource that is enough, and an account to try it.

Each case is an account in which "actor" climbs by the rule and by nothing else that is sure, with its statements one
for each action, so that any of them can be taken away, denied, narrowed or put under a condition.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from iam_escalation_kit import (
    ADMINISTRATOR,
    Detail,
    Document,
    allow,
    group,
    group_arn,
    managed,
    policy_arn,
    role,
    role_arn,
    service,
    trust,
    user,
    user_arn,
)

ALL = "*"
TARGET_ROLE = role_arn("target")
TARGET_USER = user_arn("target")


class Case(NamedTuple):
    """``actions`` -> resources that are enough. ``build`` makes the account from the actor's statements."""

    actions: Mapping[str, str | list[str]]
    build: Callable[..., list[Detail]]
    to: str = TARGET_ROLE
    service: str = ""

    def statements(self) -> dict[str, Document]:
        return {action: allow(action, resources) for action, resources in self.actions.items()}


def actor_role(statements: list[Document], **more: Any) -> Detail:
    return role("actor", *statements, **more)


def actor_user(statements: list[Document], **more: Any) -> Detail:
    return user("actor", *statements, **more)


def lets_actor(statements: list[Document], **more: Any) -> Detail:
    del statements
    return role("target", trusts=trust({"AWS": "arn:aws:iam::111111111111:root"}), **more)


def administrators_role(name: str) -> Callable[..., list[Detail]]:
    """An administrator's role that a service may take."""

    def build(statements: list[Document], **more: Any) -> list[Detail]:
        target = role("target", attached=[ADMINISTRATOR], trusts=service(name), profile=True)
        return [actor_role(statements, **more), target]

    return build


def passing(name: str, actions: Mapping[str, str | list[str]]) -> Case:
    return Case({"iam:PassRole": TARGET_ROLE, **actions}, administrators_role(name), TARGET_ROLE, name)


def taking_over(name: str, actions: Mapping[str, str | list[str]]) -> Case:
    return Case(actions, administrators_role(name), TARGET_ROLE, "")


def on(actions: Mapping[str, str | list[str]], build: Callable[..., list[Detail]], to: str = TARGET_ROLE) -> Case:
    return Case(actions, build, to)


def regional(service_name: str, rest: str) -> str:
    return f"arn:aws:{service_name}:eu-central-1:111111111111:{rest}"


FUNCTION = regional("lambda", "function:report")
INSTANCE = regional("ec2", "instance/i-0abc1234def567890")
STACK = regional("cloudformation", "stack/report/0e1f2a3b-0000-1111-2222-333344445555")
STACK_SET = regional("cloudformation", "stackset/report:0e1f2a3b-0000-1111-2222-333344445555")
PROJECT = regional("codebuild", "project/report")
PIPELINE = regional("datapipeline", "pipeline/df-0123456ABCDEF")
INTERPRETER = regional("bedrock-agentcore", "code-interpreter-custom/report-0a1b2c3d4e")
TEMPLATE = regional("ec2", "launch-template/lt-0abc1234def567890")
TASK_DEFINITION = regional("ecs", "task-definition/report:1")
NOTEBOOK = regional("sagemaker", "notebook-instance/report")
JOB = regional("glue", "job/report")
TRIGGER = regional("glue", "trigger/nightly")
MACHINE = regional("states", "stateMachine:report")
DOCUMENT = regional("ssm", "document/report")
LAUNCHING = [
    INSTANCE,
    "arn:aws:ec2:eu-central-1::image/ami-0abc1234def567890",
    regional("ec2", "network-interface/*"),
    regional("ec2", "security-group/sg-0abc1234def567890"),
    regional("ec2", "subnet/subnet-0abc1234def567890"),
    regional("ec2", "volume/*"),
]
PROFILE = "arn:aws:iam::111111111111:instance-profile/report"

LAMBDA = "lambda.amazonaws.com"
EC2 = "ec2.amazonaws.com"
CLOUDFORMATION = "cloudformation.amazonaws.com"
CODEBUILD = "codebuild.amazonaws.com"
TASKS = "ecs-tasks.amazonaws.com"
GLUE = "glue.amazonaws.com"
SAGEMAKER = "sagemaker.amazonaws.com"
APP_RUNNER = "tasks.apprunner.amazonaws.com"
AGENTCORE = "bedrock-agentcore.amazonaws.com"
TEAM_POLICY = policy_arn("team")


# --- accounts for the rules about IAM itself ------------------------------------------------------------------------


def lone_role(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more)]


def lone_user(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_user(statements, **more)]


def holder(statements: list[Document], **more: Any) -> list[Detail]:
    return [
        actor_role(statements, attached=[TEAM_POLICY], **more),
        managed(TEAM_POLICY, allow("s3:ListAllMyBuckets")),
    ]


def member(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_user(statements, groups=["team"], **more), group("team", allow("s3:ListAllMyBuckets"))]


def outsider(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_user(statements, **more), group("team", attached=[ADMINISTRATOR])]


def beside_administrator(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), user("target", attached=[ADMINISTRATOR])]


def beside_administrators_role(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), role("target", attached=[ADMINISTRATOR])]


def beside_open_administrator(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), lets_actor(statements, attached=[ADMINISTRATOR])]


def beside_user(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), user("target")]


def beside_role(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), role("target")]


def beside_open_role(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), lets_actor(statements)]


def beside_role_of_policy(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), role("target", attached=[TEAM_POLICY]), managed(TEAM_POLICY, READING)]


def beside_open_role_of_policy(statements: list[Document], **more: Any) -> list[Detail]:
    return [
        actor_role(statements, **more),
        lets_actor(statements, attached=[TEAM_POLICY]),
        managed(TEAM_POLICY, READING),
    ]


def beside_user_of_policy(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), user("target", attached=[TEAM_POLICY]), managed(TEAM_POLICY, READING)]


def beside_member(statements: list[Document], **more: Any) -> list[Detail]:
    return [actor_role(statements, **more), user("target", groups=["team"]), group("team", READING)]


READING = allow("s3:ListAllMyBuckets")
ACTOR_ROLE, ACTOR_USER, TEAM = role_arn("actor"), user_arn("actor"), group_arn("team")

CASES: dict[str, Case] = {
    "apprunner-001": passing(APP_RUNNER, {"apprunner:CreateService": regional("apprunner", "service/report/*")}),
    "apprunner-002": taking_over(APP_RUNNER, {"apprunner:UpdateService": regional("apprunner", "service/report/0a1b")}),
    "bedrock-001": passing(
        AGENTCORE,
        {
            "bedrock-agentcore:CreateCodeInterpreter": ALL,
            "bedrock-agentcore:StartCodeInterpreterSession": INTERPRETER,
            "bedrock-agentcore:InvokeCodeInterpreter": INTERPRETER,
        },
    ),
    "bedrock-002": taking_over(
        AGENTCORE,
        {
            "bedrock-agentcore:StartCodeInterpreterSession": INTERPRETER,
            "bedrock-agentcore:InvokeCodeInterpreter": INTERPRETER,
        },
    ),
    "cloudformation-001": passing(CLOUDFORMATION, {"cloudformation:CreateStack": STACK}),
    "cloudformation-002": taking_over(CLOUDFORMATION, {"cloudformation:UpdateStack": STACK}),
    "cloudformation-003": passing(
        CLOUDFORMATION, {"cloudformation:CreateStackSet": ALL, "cloudformation:CreateStackInstances": STACK_SET}
    ),
    "cloudformation-004": passing(CLOUDFORMATION, {"cloudformation:UpdateStackSet": STACK_SET}),
    "cloudformation-005": taking_over(
        CLOUDFORMATION, {"cloudformation:CreateChangeSet": STACK, "cloudformation:ExecuteChangeSet": STACK}
    ),
    "cloudformation-new-change-set": passing(
        CLOUDFORMATION, {"cloudformation:CreateChangeSet": STACK, "cloudformation:ExecuteChangeSet": STACK}
    ),
    "cloudformation-switch-role": passing(CLOUDFORMATION, {"cloudformation:UpdateStack": STACK}),
    "codebuild-001": passing(CODEBUILD, {"codebuild:CreateProject": PROJECT, "codebuild:StartBuild": PROJECT}),
    "codebuild-002": taking_over(CODEBUILD, {"codebuild:StartBuild": PROJECT}),
    "codebuild-003": taking_over(CODEBUILD, {"codebuild:StartBuildBatch": PROJECT}),
    "codebuild-004": passing(CODEBUILD, {"codebuild:CreateProject": PROJECT, "codebuild:StartBuildBatch": PROJECT}),
    "codebuild-switch-role": passing(CODEBUILD, {"codebuild:UpdateProject": PROJECT, "codebuild:StartBuild": PROJECT}),
    "datapipeline-001": passing(
        "datapipeline.amazonaws.com",
        {
            "datapipeline:CreatePipeline": ALL,
            "datapipeline:PutPipelineDefinition": PIPELINE,
            "datapipeline:ActivatePipeline": PIPELINE,
        },
    ),
    "ec2-001": passing(EC2, {"ec2:RunInstances": LAUNCHING}),
    "ec2-002": taking_over(
        EC2,
        {"ec2:ModifyInstanceAttribute": INSTANCE, "ec2:StopInstances": INSTANCE, "ec2:StartInstances": INSTANCE},
    ),
    "ec2-003": passing(EC2, {"ec2:RequestSpotInstances": regional("ec2", "spot-instances-request/*")}),
    "ec2-004": taking_over(EC2, {"ec2:CreateLaunchTemplateVersion": TEMPLATE, "ec2:ModifyLaunchTemplate": TEMPLATE}),
    "ec2-new-instance-profile": passing(
        EC2,
        {
            "iam:CreateInstanceProfile": PROFILE,
            "iam:AddRoleToInstanceProfile": PROFILE,
            "ec2:RunInstances": LAUNCHING,
        },
    ),
    "ec2-associate-instance-profile": passing(EC2, {"ec2:AssociateIamInstanceProfile": INSTANCE}),
    "ec2-replace-instance-profile": passing(EC2, {"ec2:ReplaceIamInstanceProfileAssociation": INSTANCE}),
    "autoscaling-launch-configuration": passing(
        EC2,
        {
            "autoscaling:CreateLaunchConfiguration": regional(
                "autoscaling", "launchConfiguration:*:launchConfigurationName/report"
            ),
            "autoscaling:CreateAutoScalingGroup": regional(
                "autoscaling", "autoScalingGroup:*:autoScalingGroupName/report"
            ),
        },
    ),
    "ec2instanceconnect-003": taking_over(
        EC2, {"ec2-instance-connect:SendSSHPublicKey": INSTANCE, "ec2:DescribeInstances": ALL}
    ),
    "ecs-001": passing(
        TASKS,
        {
            "ecs:CreateCluster": regional("ecs", "cluster/report"),
            "ecs:RegisterTaskDefinition": TASK_DEFINITION,
            "ecs:CreateService": regional("ecs", "service/report/web"),
        },
    ),
    "ecs-002": passing(
        TASKS,
        {
            "ecs:CreateCluster": regional("ecs", "cluster/report"),
            "ecs:RegisterTaskDefinition": TASK_DEFINITION,
            "ecs:RunTask": TASK_DEFINITION,
        },
    ),
    "ecs-003": passing(
        TASKS,
        {"ecs:RegisterTaskDefinition": TASK_DEFINITION, "ecs:CreateService": regional("ecs", "service/report/web")},
    ),
    "ecs-004": passing(TASKS, {"ecs:RegisterTaskDefinition": TASK_DEFINITION, "ecs:RunTask": TASK_DEFINITION}),
    "ecs-005": passing(TASKS, {"ecs:RegisterTaskDefinition": TASK_DEFINITION, "ecs:StartTask": TASK_DEFINITION}),
    "ecs-update-service": passing(
        TASKS,
        {"ecs:RegisterTaskDefinition": TASK_DEFINITION, "ecs:UpdateService": regional("ecs", "service/report/web")},
    ),
    "ecs-execute-command": taking_over(TASKS, {"ecs:ExecuteCommand": regional("ecs", "task/report/0a1b2c3d")}),
    "batch-submit-job": passing(
        TASKS,
        {
            "batch:RegisterJobDefinition": regional("batch", "job-definition/report"),
            "batch:SubmitJob": [regional("batch", "job-definition/report"), regional("batch", "job-queue/report")],
        },
    ),
    "glue-001": passing(GLUE, {"glue:CreateDevEndpoint": ALL}),
    "glue-002": taking_over(GLUE, {"glue:UpdateDevEndpoint": regional("glue", "devEndpoint/report")}),
    "glue-003": passing(GLUE, {"glue:CreateJob": JOB, "glue:StartJobRun": JOB}),
    "glue-004": passing(GLUE, {"glue:CreateJob": JOB, "glue:CreateTrigger": TRIGGER}),
    "glue-005": passing(GLUE, {"glue:UpdateJob": JOB, "glue:StartJobRun": JOB}),
    "glue-006": passing(GLUE, {"glue:UpdateJob": JOB, "glue:CreateTrigger": TRIGGER}),
    "lambda-001": passing(LAMBDA, {"lambda:CreateFunction": FUNCTION, "lambda:InvokeFunction": FUNCTION}),
    "lambda-002": passing(LAMBDA, {"lambda:CreateFunction": FUNCTION, "lambda:CreateEventSourceMapping": ALL}),
    "lambda-003": taking_over(LAMBDA, {"lambda:UpdateFunctionCode": FUNCTION}),
    "lambda-004": taking_over(LAMBDA, {"lambda:UpdateFunctionCode": FUNCTION, "lambda:InvokeFunction": FUNCTION}),
    "lambda-005": taking_over(LAMBDA, {"lambda:UpdateFunctionCode": FUNCTION, "lambda:AddPermission": FUNCTION}),
    "lambda-006": passing(LAMBDA, {"lambda:CreateFunction": FUNCTION, "lambda:AddPermission": FUNCTION}),
    "lambda-function-configuration": taking_over(LAMBDA, {"lambda:UpdateFunctionConfiguration": FUNCTION}),
    "lambda-switch-role": passing(
        LAMBDA,
        {
            "lambda:UpdateFunctionConfiguration": FUNCTION,
            "lambda:UpdateFunctionCode": FUNCTION,
            "lambda:InvokeFunction": FUNCTION,
        },
    ),
    "sagemaker-001": passing(SAGEMAKER, {"sagemaker:CreateNotebookInstance": NOTEBOOK}),
    "sagemaker-002": passing(SAGEMAKER, {"sagemaker:CreateTrainingJob": regional("sagemaker", "training-job/report")}),
    "sagemaker-003": passing(
        SAGEMAKER, {"sagemaker:CreateProcessingJob": regional("sagemaker", "processing-job/report")}
    ),
    "sagemaker-004": taking_over(SAGEMAKER, {"sagemaker:CreatePresignedNotebookInstanceUrl": NOTEBOOK}),
    "sagemaker-005": taking_over(
        SAGEMAKER,
        {
            "sagemaker:CreateNotebookInstanceLifecycleConfig": regional(
                "sagemaker", "notebook-instance-lifecycle-config/report"
            ),
            "sagemaker:StopNotebookInstance": NOTEBOOK,
            "sagemaker:UpdateNotebookInstance": NOTEBOOK,
            "sagemaker:StartNotebookInstance": NOTEBOOK,
        },
    ),
    "ssm-001": taking_over(EC2, {"ssm:StartSession": INSTANCE}),
    "ssm-002": taking_over(
        EC2, {"ssm:SendCommand": [INSTANCE, "arn:aws:ssm:eu-central-1::document/AWS-RunShellScript"]}
    ),
    "ssm-create-association": taking_over(EC2, {"ssm:CreateAssociation": [INSTANCE, DOCUMENT]}),
    "ssm-start-automation": passing(
        "ssm.amazonaws.com",
        {
            "ssm:CreateDocument": DOCUMENT,
            "ssm:StartAutomationExecution": regional("ssm", "automation-definition/report:1"),
        },
    ),
    "states-create-state-machine": passing(
        "states.amazonaws.com", {"states:CreateStateMachine": MACHINE, "states:StartExecution": MACHINE}
    ),
    "states-update-state-machine": taking_over(
        "states.amazonaws.com", {"states:UpdateStateMachine": MACHINE, "states:StartExecution": MACHINE}
    ),
    "scheduler-create-schedule": passing(
        "scheduler.amazonaws.com", {"scheduler:CreateSchedule": regional("scheduler", "schedule/default/nightly")}
    ),
    "elasticmapreduce-run-job-flow": passing(EC2, {"elasticmapreduce:RunJobFlow": ALL}),
    "sts-001": on({"sts:AssumeRole": TARGET_ROLE}, beside_open_administrator),
    "iam-001": on({"iam:CreatePolicyVersion": TEAM_POLICY}, holder, ACTOR_ROLE),
    "iam-002": on({"iam:CreateAccessKey": TARGET_USER}, beside_administrator, TARGET_USER),
    "iam-003": on(
        {"iam:CreateAccessKey": TARGET_USER, "iam:DeleteAccessKey": TARGET_USER}, beside_administrator, TARGET_USER
    ),
    "iam-004": on({"iam:CreateLoginProfile": TARGET_USER}, beside_administrator, TARGET_USER),
    "iam-005": on({"iam:PutRolePolicy": ACTOR_ROLE}, lone_role, ACTOR_ROLE),
    "iam-006": on({"iam:UpdateLoginProfile": TARGET_USER}, beside_administrator, TARGET_USER),
    "iam-007": on({"iam:PutUserPolicy": ACTOR_USER}, lone_user, ACTOR_USER),
    "iam-008": on({"iam:AttachUserPolicy": ACTOR_USER}, lone_user, ACTOR_USER),
    "iam-009": on({"iam:AttachRolePolicy": ACTOR_ROLE}, lone_role, ACTOR_ROLE),
    "iam-010": on({"iam:AttachGroupPolicy": TEAM}, member, ACTOR_USER),
    "iam-011": on({"iam:PutGroupPolicy": TEAM}, member, ACTOR_USER),
    "iam-012": on({"iam:UpdateAssumeRolePolicy": TARGET_ROLE}, beside_administrators_role),
    "iam-013": on({"iam:AddUserToGroup": TEAM}, outsider, ACTOR_USER),
    "iam-014": on({"iam:AttachRolePolicy": TARGET_ROLE, "sts:AssumeRole": TARGET_ROLE}, beside_open_role),
    "iam-015": on({"iam:AttachUserPolicy": TARGET_USER, "iam:CreateAccessKey": TARGET_USER}, beside_user, TARGET_USER),
    "iam-016": on({"iam:CreatePolicyVersion": TEAM_POLICY, "sts:AssumeRole": TARGET_ROLE}, beside_open_role_of_policy),
    "iam-017": on({"iam:PutRolePolicy": TARGET_ROLE, "sts:AssumeRole": TARGET_ROLE}, beside_open_role),
    "iam-018": on({"iam:PutUserPolicy": TARGET_USER, "iam:CreateAccessKey": TARGET_USER}, beside_user, TARGET_USER),
    "iam-019": on({"iam:AttachRolePolicy": TARGET_ROLE, "iam:UpdateAssumeRolePolicy": TARGET_ROLE}, beside_role),
    "iam-020": on(
        {"iam:CreatePolicyVersion": TEAM_POLICY, "iam:UpdateAssumeRolePolicy": TARGET_ROLE}, beside_role_of_policy
    ),
    "iam-021": on({"iam:PutRolePolicy": TARGET_ROLE, "iam:UpdateAssumeRolePolicy": TARGET_ROLE}, beside_role),
    "iam-set-default-policy-version": on({"iam:SetDefaultPolicyVersion": TEAM_POLICY}, holder, ACTOR_ROLE),
    "iam-attach-user-policy-set-password": on(
        {"iam:AttachUserPolicy": TARGET_USER, "iam:CreateLoginProfile": TARGET_USER}, beside_user, TARGET_USER
    ),
    "iam-attach-user-policy-change-password": on(
        {"iam:AttachUserPolicy": TARGET_USER, "iam:UpdateLoginProfile": TARGET_USER}, beside_user, TARGET_USER
    ),
    "iam-put-user-policy-set-password": on(
        {"iam:PutUserPolicy": TARGET_USER, "iam:CreateLoginProfile": TARGET_USER}, beside_user, TARGET_USER
    ),
    "iam-put-user-policy-change-password": on(
        {"iam:PutUserPolicy": TARGET_USER, "iam:UpdateLoginProfile": TARGET_USER}, beside_user, TARGET_USER
    ),
    "iam-create-policy-version-create-key": on(
        {"iam:CreatePolicyVersion": TEAM_POLICY, "iam:CreateAccessKey": TARGET_USER}, beside_user_of_policy, TARGET_USER
    ),
    "iam-attach-group-policy-create-key": on(
        {"iam:AttachGroupPolicy": TEAM, "iam:CreateAccessKey": TARGET_USER}, beside_member, TARGET_USER
    ),
    "iam-put-group-policy-create-key": on(
        {"iam:PutGroupPolicy": TEAM, "iam:CreateAccessKey": TARGET_USER}, beside_member, TARGET_USER
    ),
}
#: The rules about a boundary of one's own have tests apart: here a boundary is what stands in the way.
BOUNDARY_RULES = frozenset(
    {"iam-delete-role-boundary", "iam-put-role-boundary", "iam-delete-user-boundary", "iam-put-user-boundary"}
)
#: The cases that are certain; all others rest on what no policy tells.
CERTAIN = frozenset(
    {
        "apprunner-001",
        "bedrock-001",
        "cloudformation-001",
        "cloudformation-003",
        "cloudformation-new-change-set",
        "codebuild-001",
        "codebuild-004",
        "datapipeline-001",
        "ec2-001",
        "ec2-003",
        "ec2-new-instance-profile",
        "autoscaling-launch-configuration",
        "ecs-001",
        "ecs-002",
        "glue-001",
        "glue-003",
        "glue-004",
        "lambda-001",
        "lambda-006",
        "sagemaker-001",
        "sagemaker-002",
        "sagemaker-003",
        "ssm-start-automation",
        "states-create-state-machine",
        "scheduler-create-schedule",
        "sts-001",
        "iam-001",
        "iam-003",
        "iam-005",
        "iam-007",
        "iam-008",
        "iam-009",
        "iam-010",
        "iam-011",
        "iam-012",
        "iam-013",
        "iam-014",
        "iam-016",
        "iam-017",
        "iam-019",
        "iam-020",
        "iam-021",
    }
)

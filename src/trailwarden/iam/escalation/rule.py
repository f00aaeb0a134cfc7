"""Escalation rules: a closed vocabulary of predicates, and the rules that ``rules/escalation/*.yaml`` write in it.

A rule reads: a principal that has all of ``needs`` acts as its target, or makes its target an administrator. Each need
is an action and what it must be allowed on:

- ``target``: the target itself; for iam:PassRole with iam:PassedToService as the rule's service.
- ``trusting_target``: the target role by sts:AssumeRole, its trust policy included.
- ``attached_policy``: a customer-managed policy that the target holds, itself or by a group.
- ``group_of_target``: a group that the target user is in. ``group``: one that makes who joins it an administrator.
- ``existing``: a resource of the rule's kind that runs as the target, or any of the kind (``runs_as_target: false``).
- ``any``: something that the action can act on.
- a resource: ``lambda:function:*`` in the principal's account, or an ARN with ``{partition}`` and ``{account}``.

Needs on the same resource must be allowed on one and the same.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from ...rules import documents

Category = Literal["self-escalation", "principal-access", "new-passrole", "existing-passrole"]
#: Whom the rule is about: another role or user, or the principal itself (``own``), if it is a role or user.
Target = Literal["role", "user", "own", "own_role", "own_user"]
#: ``target``: acts as the target. ``administrator``: the target gets all permissions that its boundary and the
#: organisation leave. ``unbounded``: the principal without its boundary. ``membership``: with a group's permissions.
Gives = Literal["target", "administrator", "unbounded", "membership"]
#: What must be so beside the policies. ``spare_key``: the user has fewer than two access keys.
Fact = Literal["instance_profile", "spare_key", "password", "no_password"]
Kind = Literal[
    "apprunner_service",
    "batch_job_queue",
    "cloudformation_stack",
    "code_interpreter",
    "codebuild_project",
    "ec2_instance",
    "ecs_cluster",
    "ecs_container_instance",
    "ecs_service",
    "ecs_task",
    "event_source",
    "glue_endpoint",
    "glue_job",
    "lambda_function",
    "launch_template",
    "sagemaker_notebook",
    "stack_set",
    "state_machine",
]
#: Kinds of resource: in words, and as a resource in the sense of a rule.
KINDS: Mapping[Kind, tuple[str, str]] = {
    "apprunner_service": ("an App Runner service", "apprunner:service/*"),
    "batch_job_queue": ("a Batch job queue", "batch:job-queue/*"),
    "cloudformation_stack": ("a CloudFormation stack", "cloudformation:stack/*"),
    "code_interpreter": ("an AgentCore code interpreter", "bedrock-agentcore:code-interpreter-custom/*"),
    "codebuild_project": ("a CodeBuild project", "codebuild:project/*"),
    "ec2_instance": ("an EC2 instance", "ec2:instance/*"),
    "ecs_cluster": ("an ECS cluster", "ecs:cluster/*"),
    "ecs_container_instance": ("an ECS container instance", "ecs:container-instance/*"),
    "ecs_service": ("an ECS service", "ecs:service/*"),
    "ecs_task": ("an ECS task", "ecs:task/*"),
    "event_source": ("a stream or queue that can start functions", "arn:{partition}:*:*:{account}:*"),
    "glue_endpoint": ("a Glue development endpoint", "glue:devEndpoint/*"),
    "glue_job": ("a Glue job", "glue:job/*"),
    "lambda_function": ("a Lambda function", "lambda:function:*"),
    "launch_template": ("an EC2 launch template", "ec2:launch-template/*"),
    "sagemaker_notebook": ("a SageMaker notebook instance", "sagemaker:notebook-instance/*"),
    "stack_set": ("a CloudFormation stack set", "cloudformation:stackset/*"),
    "state_machine": ("a Step Functions state machine", "states:stateMachine:*"),
}
#: What a need can be on, beside resources.
PLACES = frozenset({"target", "trusting_target", "attached_policy", "group_of_target", "group", "existing", "any"})


class Existing(msgspec.Struct, frozen=True):
    """One resource of an inventory: its ARN, and the ARN of the role that it runs as (None: it has none)."""

    arn: str
    role: str | None = None


#: What exists, by kind: a kind that is missing is unknown, an empty one known to be none.
Inventory = Mapping[Kind, Sequence[Existing]]


class EscalationRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to climb.

    ``needs``: action -> what it must be allowed on; several: on each of them. ``not_denied``: nothing may deny these.
    ``trusts``: the target role trusts one of these services, and iam:PassedToService is one of ``passed_to`` (the
    same, where the field is absent). ``existing`` is the kind of resource that is taken over, ``present`` are kinds of
    which there must be one, ``assumes`` says in words what no policy tells. ``technique`` is MITRE's.
    """

    id: str
    title: str
    source: str
    category: Category
    technique: str
    target: Target
    needs: Mapping[str, str | tuple[str, ...]]
    blind_spots: tuple[str, ...]
    breaks: tuple[str, ...]
    gives: Gives = "target"
    not_denied: Mapping[str, str] = {}
    trusts: tuple[str, ...] = ()
    passed_to: tuple[str, ...] = ()
    existing: Kind | None = None
    runs_as_target: bool = True
    present: tuple[Kind, ...] = ()
    facts: tuple[Fact, ...] = ()
    assumes: tuple[str, ...] = ()
    #: The same as ``needs``, by what it is needed on; made from it.
    places: Mapping[str, tuple[str, ...]] = {}

    @property
    def actions(self) -> tuple[str, ...]:
        """The required actions."""
        return tuple(self.needs)

    @property
    def services(self) -> tuple[str, ...]:
        """What iam:PassedToService may hold."""
        return self.passed_to or self.trusts

    def __post_init__(self) -> None:
        found: dict[str, tuple[str, ...]] = {}
        for action, on in self.needs.items():
            for place in (on,) if isinstance(on, str) else on:
                found[place] = (*found.get(place, ()), action)
        msgspec.structs.force_setattr(self, "places", found)


@lru_cache(maxsize=1)
def escalation_rules() -> tuple[EscalationRule, ...]:
    """All rules, by file and then in their order there; read at the first call."""
    return tuple(rule for family, content in documents("escalation") for rule in _rules_of(family, content))


def _rules_of(family: str, content: Mapping[str, Any]) -> tuple[EscalationRule, ...]:
    defaults = content.get("defaults", {})
    rules = tuple(msgspec.convert({**defaults, **each}, EscalationRule) for each in content["rules"])
    for rule in rules:
        known = PLACES | {place for place in rule.places if ":" in place}
        strange = rule.places.keys() - known
        if strange or not rule.id.startswith(family):
            raise ValueError(f"{family}.yaml: rule {rule.id} is not of this family, or has needs on {sorted(strange)}")
        if ("existing" in rule.places) != (rule.existing is not None):
            raise ValueError(f"{family}.yaml: rule {rule.id} names a kind of resource, or a need on it, alone")
    return rules


def resource(place: str, *, partition: str, account: str) -> str:
    """The ARN pattern that a rule's resource means for a principal's account."""
    if place.startswith("arn:"):
        return place.format(partition=partition, account=account)
    service, _, rest = place.partition(":")
    return f"arn:{partition}:{service}:*:{account}:{rest}"

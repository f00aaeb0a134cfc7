"""Each rule: it is found where all that it needs is there, and not where any part of it is ruled out."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from iam_escalation_cases import BOUNDARY_RULES, CASES, CERTAIN, TEAM_POLICY, Case
from iam_escalation_kit import (
    ACCOUNT,
    EVERYTHING,
    Document,
    account,
    allow,
    climb,
    deny,
    document,
    first_rules,
    managed,
    policy_arn,
)

from trailwarden.iam.catalog import canonical, catalog
from trailwarden.iam.escalation import EscalationRule, Subject, escalation_rules, escalations
from trailwarden.iam.escalation.steps import actions_of
from trailwarden.model.policy import PolicySource, parse_policy

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "iam" / "paths.json"
RULES = {rule.id: rule for rule in escalation_rules()}
BOUNDARY = policy_arn("boundary")
ELSEWHERE = {"StringEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/somebody-else"}}
HERE = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:*/actor"}}
#: One resource of another kind than any rule needs.
FAR = "arn:aws:s3:::elsewhere"
each_case = pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)


def found(name: str, case: Case, statements: dict[str, Document], *more: Document) -> bool:
    """Whether the rule shows in an account in which the actor has these statements."""
    actor = case.build([*statements.values(), *more])[0]["Arn"]
    return name in first_rules(climb(*case.build([*statements.values(), *more])).get(actor, ()))


@each_case
def test_what_a_rule_needs_is_enough(name: str, case: Case) -> None:
    built = case.build(list(case.statements().values()))
    paths = climb(*built)[built[0]["Arn"]]
    (path,) = (each for each in paths if each.steps[0].rule == name)
    (step,) = path.steps
    assert (path.to, step.to) == (case.to, case.to)
    assert set(step.actions) == set(case.actions)
    assert step.certain == path.certain == (name in CERTAIN)
    assert bool(step.conditions) == (name not in CERTAIN)
    assert step.statement is not None
    assert {each.holder for each in step.statements} <= {built[0]["Arn"], case.to}
    assert all(any(f"remove {action} from " in each for each in step.breaks) for action in case.actions)


@each_case
def test_without_one_of_its_actions(name: str, case: Case) -> None:
    for action in case.actions:
        assert not found(name, case, {key: each for key, each in case.statements().items() if key != action}), action


@each_case
def test_a_deny(name: str, case: Case) -> None:
    for action in case.actions:
        assert not found(name, case, case.statements(), deny(action)), action
        service = action.partition(":")[0]
        assert not found(name, case, case.statements(), deny(f"{service}:*".upper())), action
        assert not found(name, case, case.statements(), deny(action, **HERE)), action


@each_case
def test_a_deny_of_something_else(name: str, case: Case) -> None:
    assert found(name, case, case.statements(), deny(["s3:*", "dynamodb:*"]), deny(list(case.actions), FAR))
    assert found(name, case, case.statements(), deny(list(case.actions), **ELSEWHERE))


@each_case
def test_a_deny_under_a_condition_that_is_not_known(name: str, case: Case) -> None:
    unmet = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    action = next(iter(case.actions))
    built = case.build([*case.statements().values(), deny(action, **unmet)])
    (path,) = (each for each in climb(*built)[built[0]["Arn"]] if each.steps[0].rule == name)
    assert not path.certain
    assert any(each.startswith("unless ") and "aws:MultiFactorAuthPresent" in each for each in path.conditions)


@each_case
def test_a_condition(name: str, case: Case) -> None:
    for action, resources_ in case.actions.items():
        others = {key: each for key, each in case.statements().items() if key != action}
        assert not found(name, case, others, allow(action, resources_, **ELSEWHERE)), action
        assert found(name, case, others, allow(action, resources_, **HERE)), action


@each_case
def test_a_condition_that_is_not_known(name: str, case: Case) -> None:
    for action, resources_ in case.actions.items():
        others = [each for key, each in case.statements().items() if key != action]
        conditioned = allow(action, resources_, IpAddress={"aws:SourceIp": "192.0.2.0/24"})
        built = case.build([*others, conditioned])
        (path,) = (each for each in climb(*built)[built[0]["Arn"]] if each.steps[0].rule == name)
        assert not path.certain
        assert any(each.startswith("if ") and "aws:SourceIp" in each for each in path.conditions), action


@each_case
def test_another_resource(name: str, case: Case) -> None:
    for action in case.actions:
        others = {key: each for key, each in case.statements().items() if key != action}
        assert not found(name, case, others, allow(action, FAR)), action
        assert found(name, case, others, allow(action.upper())), action


@each_case
def test_a_boundary(name: str, case: Case) -> None:
    for action in case.actions:
        within = managed(BOUNDARY, {"Effect": "Allow", "NotAction": [action, "s3:*"], "Resource": "*"})
        built = [*case.build(list(case.statements().values()), boundary=BOUNDARY), within]
        assert name not in first_rules(climb(*built).get(built[0]["Arn"], ())), action


@each_case
def test_a_boundary_that_keeps_nothing_out(name: str, case: Case) -> None:
    built = [*case.build(list(case.statements().values()), boundary=BOUNDARY), managed(BOUNDARY, EVERYTHING)]
    assert name in first_rules(climb(*built)[built[0]["Arn"]])


@each_case
def test_a_service_control_policy(name: str, case: Case) -> None:
    built = case.build(list(case.statements().values()))
    for action in case.actions:
        scp = parse_policy(document(EVERYTHING, deny(action)), source=PolicySource(kind="scp", name="no"))
        subject = Subject(account(*built), scps=((scp,),))
        assert name not in first_rules(escalations(subject).get(built[0]["Arn"], ())), action


PASSING = {name: case for name, case in CASES.items() if "iam:PassRole" in case.actions}


@pytest.mark.parametrize(("name", "case"), PASSING.items(), ids=PASSING)
def test_the_service_that_a_role_is_passed_to(name: str, case: Case) -> None:
    others = {key: each for key, each in case.statements().items() if key != "iam:PassRole"}

    def passing(*services: str) -> Document:
        return allow("iam:PassRole", StringEquals={"iam:PassedToService": list(services)})

    assert found(name, case, others, passing(case.service, "rds.amazonaws.com"))
    assert not found(name, case, others, passing("rds.amazonaws.com"))
    keeping = {"StringEquals": {"iam:PassedToService": sorted({*RULES[name].services, case.service})}}
    assert not found(name, case, case.statements(), deny("iam:PassRole", **keeping))


TRUSTING = {name: case for name, case in CASES.items() if RULES[name].trusts}


@pytest.mark.parametrize(("name", "case"), TRUSTING.items(), ids=TRUSTING)
def test_a_target_that_trusts_another_service(name: str, case: Case) -> None:
    built = case.build(list(case.statements().values()))
    built[1]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"Service": "rds.amazonaws.com"}
    assert name not in first_rules(climb(*built).get(built[0]["Arn"], ()))


CHANGING = {
    name: case for name, case in CASES.items() if case.actions.keys() & {"iam:PassRole", "iam:UpdateAssumeRolePolicy"}
}


@pytest.mark.parametrize(("name", "case"), CHANGING.items(), ids=CHANGING)
def test_a_target_that_belongs_to_aws(name: str, case: Case) -> None:
    for path in ("aws-service-role/service.amazonaws.com/", "aws-reserved/sso.amazonaws.com/"):
        built = case.build([allow(list(case.actions))])
        built[1].update(Arn=f"arn:aws:iam::{ACCOUNT}:role/{path}target", Path=f"/{path}")
        assert name not in first_rules(climb(*built).get(built[0]["Arn"], ())), path


# --- the rules as data ----------------------------------------------------------------------------------------------


def test_every_rule_has_a_case() -> None:
    assert RULES.keys() == CASES.keys() | BOUNDARY_RULES
    assert len(RULES) == len(escalation_rules())


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_is_whole(rule: EscalationRule) -> None:
    files = {each.name for each in (resources.files("trailwarden.rules") / "escalation").iterdir()}
    assert any(rule.id.startswith(name.removesuffix(".yaml") + "-") for name in files)
    assert rule.title
    assert rule.source
    assert rule.blind_spots
    assert rule.breaks
    assert re.fullmatch(r"T\d{4}(\.\d{3})?", rule.technique)
    assert all(canonical(action) == action for action in rule.actions)
    assert ("iam:PassRole" in rule.needs) == (rule.category == "new-passrole")
    assert bool(rule.trusts) == (rule.category in ("new-passrole", "existing-passrole"))
    if rule.id in CASES:
        assert set(rule.actions) == CASES[rule.id].actions.keys()


def test_an_action_that_does_not_exist_is_refused() -> None:
    assert actions_of(["iam:PassRole"]) == 1 << catalog().numbers["iam:passrole"]
    with pytest.raises(ValueError, match="iam:PassTheRole"):
        actions_of(["iam:PassRole", "iam:PassTheRole"])


@pytest.mark.skipif(not CORPUS.is_file(), reason="the published paths are not here")
def test_every_published_path_is_a_rule() -> None:
    published = {
        path["id"]: {each["permission"] for each in path["permissions"]["required"]}
        for path in json.loads(CORPUS.read_text())
    }
    ours = {rule.id: set(rule.actions) for rule in RULES.values() if rule.source.startswith("pathfinding.cloud ")}
    assert ours == published
    assert all(rule.source == f"pathfinding.cloud {rule.id}" for rule in RULES.values() if rule.id in published)


def test_a_policy_of_aws_is_never_rewritten() -> None:
    arn = "arn:aws:iam::aws:policy/SecurityAudit"
    for name in ("iam-001", "iam-set-default-policy-version"):
        case = CASES[name]
        built = case.build([allow("iam:*PolicyVersion")])
        assert name in first_rules(climb(*built)[built[0]["Arn"]])
        built[0]["AttachedManagedPolicies"] = [{"PolicyName": "SecurityAudit", "PolicyArn": arn}]
        built[1] = managed(arn, allow("s3:ListAllMyBuckets"))
        assert TEAM_POLICY not in {each["Arn"] for each in built}
        assert not climb(*built)

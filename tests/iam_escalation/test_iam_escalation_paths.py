"""How steps make paths: chains, cycles, the shortest, the certain, and administrators under a condition."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from iam_escalation_kit import (
    ACCOUNT,
    ADMINISTRATOR,
    OTHER,
    Detail,
    Document,
    account,
    allow,
    climb,
    deny,
    group,
    managed,
    policy_arn,
    role,
    role_arn,
    service,
    steps,
    trust,
    user,
    user_arn,
)

from trailwarden.iam.effective import administrator, effective_in
from trailwarden.iam.escalation import Subject, escalation_rules, escalations
from trailwarden.iam.escalation.graph import Graph
from trailwarden.iam.escalation.index import NOTHING_FOUND
from trailwarden.model.policy import AccountAuthorization

ASSUME = allow("sts:AssumeRole")
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def lets(*names: str, of: str = ACCOUNT, **condition: dict[str, str]) -> Document:
    return trust({"AWS": [role_arn(name, of) for name in names]}, **condition)


def admin(name: str = "admin", **more: Any) -> Detail:
    return role(name, attached=[ADMINISTRATOR], **more)


def test_a_chain_over_three_roles_and_two_accounts() -> None:
    near = account(role("one", ASSUME), role("two", ASSUME, trusts=lets("one")))
    far = account(
        role("three", ASSUME, trusts=lets("two"), account=OTHER),
        admin(trusts=lets("three", of=OTHER), account=OTHER),
    )
    found = escalations([Subject(near), Subject(far)])
    (path,) = found[role_arn("one")]
    assert steps(path) == [("one", "sts-001", "two"), ("two", "sts-001", "three"), ("three", "sts-001", "admin")]
    assert (path.to, path.certain) == (role_arn("admin", OTHER), True)
    assert all(each.to == after.principal for each, after in zip(path.steps, path.steps[1:], strict=False))
    assert {arn: len(paths[0].steps) for arn, paths in found.items()} == {
        role_arn("one"): 3,
        role_arn("two"): 2,
        role_arn("three", OTHER): 1,
    }
    assert not escalations(near)


def test_a_chain_of_different_rules() -> None:
    found = climb(
        user("alice", allow("iam:UpdateLoginProfile", user_arn("bob"))),
        user("bob", allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])),
        role("worker", allow("iam:AddUserToGroup"), ASSUME, trusts=service("lambda.amazonaws.com")),
        role("owner", allow("iam:PutRolePolicy", role_arn("owner")), trusts=lets("worker")),
        group("empty"),
    )
    (path,) = found[user_arn("alice")]
    assert steps(path) == [
        ("alice", "iam-006", "bob"),
        ("bob", "lambda-001", "worker"),
        ("worker", "sts-001", "owner"),
        ("owner", "iam-005", "owner"),
    ]
    assert path.id.startswith("iam-006>lambda-001>sts-001>iam-005:")
    assert path.conditions == (f"if {user_arn('bob')} has a password",)
    assert [each.certain for each in path.steps] == [False, True, True, True]


def test_a_cycle_ends() -> None:
    ring = [role(f"r{each}", ASSUME, trusts=lets(f"r{(each - 1) % 5}", f"r{(each + 1) % 5}")) for each in range(5)]
    assert not climb(*ring)
    found = climb(*ring, admin(trusts=lets("r0")))
    assert {arn: len(paths[0].steps) for arn, paths in found.items()} == {
        role_arn("r0"): 1,
        role_arn("r1"): 2,
        role_arn("r4"): 2,
        role_arn("r2"): 3,
        role_arn("r3"): 3,
    }


def test_a_role_that_trusts_itself_climbs_nowhere() -> None:
    assert not climb(role("one", ASSUME, trusts=lets("one")))


def test_an_administrator_has_no_paths_and_neither_has_who_reaches_none() -> None:
    found = climb(admin(), role("one", ASSUME), role("two", allow("s3:*"), trusts=lets("one")))
    assert not found


def test_the_shortest_is_shown_with_one_path_for_each_first_rule() -> None:
    actor = role("one", ASSUME, allow("iam:UpdateAssumeRolePolicy"))
    found = climb(actor, role("two", ASSUME, trusts=lets("one")), admin(trusts=lets("one", "two")), admin("boss"))
    assert [steps(each) for each in found[role_arn("one")]] == [
        [("one", "iam-012", "admin")],
        [("one", "sts-001", "admin")],
    ]


def test_a_longer_path_that_is_certain_follows_a_shorter_one_that_is_not() -> None:
    actor = role("one", ASSUME)
    found = climb(
        actor,
        role("two", ASSUME, trusts=lets("one")),
        admin("guarded", trusts=lets("one", of=ACCOUNT, **MFA)),
        admin("open", trusts=lets("two")),
    )
    short, long = found[role_arn("one")]
    assert (steps(short), short.certain) == ([("one", "sts-001", "guarded")], False)
    assert (steps(long), long.certain) == ([("one", "sts-001", "two"), ("two", "sts-001", "open")], True)


def test_a_certain_target_is_preferred() -> None:
    found = climb(
        role("one", ASSUME),
        admin("a-guarded", trusts=lets("one", of=ACCOUNT, **MFA)),
        admin("z-open", trusts=lets("one")),
    )
    assert [(path.to, path.certain) for path in found[role_arn("one")]] == [(role_arn("z-open"), True)]


def test_an_administrator_under_a_condition() -> None:
    guarded = role("guarded", allow("iam:*", **MFA), trusts=lets("one"))
    found = climb(role("one", ASSUME), guarded)
    (path,) = found[role_arn("one")]
    assert path.steps[0].certain
    assert not path.certain
    (condition,) = path.conditions
    assert condition.startswith("if Bool aws:MultiFactorAuthPresent true ")
    assert condition.endswith(f": only then is {role_arn('guarded')} an administrator")


def test_a_certain_path_beside_one_to_an_administrator_under_a_condition() -> None:
    guarded = role("guarded", allow("iam:*", **MFA), trusts=lets("one", "guarded"))
    found = climb(role("one"), guarded, admin("open", trusts=lets("one", "guarded")))
    assert [(path.to, path.certain) for path in found[role_arn("one")]] == [
        (role_arn("guarded"), False),
        (role_arn("open"), True),
    ]


def test_administrators_that_are_given_are_not_asked_again() -> None:
    details = account(role("one", ASSUME), role("two", trusts=lets("one")))
    assert not escalations(details)
    permissions = effective_in(account(admin()))[role_arn("admin")]
    known = {role_arn("two"): administrator(permissions)}
    assert [steps(each) for each in escalations(details, administrators=known)[role_arn("one")]] == [
        [("one", "sts-001", "two")]
    ]


def test_rules_can_be_chosen() -> None:
    actor = role("one", ASSUME, allow("iam:UpdateAssumeRolePolicy"))
    only = [rule for rule in escalation_rules() if rule.id == "iam-012"]
    found = climb(actor, admin(trusts=lets("one")), rules=only)
    assert [each.steps[0].rule for each in found[role_arn("one")]] == ["iam-012"]


def test_ids_are_stable_and_tell_paths_apart() -> None:
    details = [role("one", ASSUME), role("two", ASSUME), admin(trusts=lets("one", "two"))]
    first, again = climb(*details), climb(*reversed(details))
    assert first == again
    assert len({path.id for paths in first.values() for path in paths}) == 2


# --- properties -----------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d")
ACTIONS = (
    "sts:AssumeRole",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:AttachRolePolicy",
    "iam:CreatePolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:CreateAccessKey",
    "iam:DeleteRolePermissionsBoundary",
    "lambda:CreateFunction",
    "lambda:InvokeFunction",
    "lambda:UpdateFunctionCode",
    "lambda:*",
    "iam:*",
    "*",
)
RESOURCES = ("*", *(role_arn(name) for name in NAMES), role_arn("[ab]*"), user_arn("*"), policy_arn("team"))
CONDITIONS: tuple[Document, ...] = (
    {},
    {},
    MFA,
    {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    {"StringEquals": {"iam:PermissionsBoundary": policy_arn("boundary")}},
    {"StringNotEquals": {"aws:ResourceTag/team": "a"}},
)


@st.composite
def statement(draw: st.DrawFn, effect: str = "Allow") -> Document:
    condition = draw(st.sampled_from(CONDITIONS))
    return {
        "Effect": effect,
        "Action": draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True)),
        "Resource": draw(st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2, unique=True)),
        **({"Condition": condition} if condition else {}),
    }


@st.composite
def principals(draw: st.DrawFn) -> dict[str, list[Document]]:
    found = {name: draw(st.lists(statement(), max_size=3)) for name in NAMES}
    for name in NAMES:
        found[name] += draw(st.lists(statement("Deny"), max_size=1))
    return found


TRUSTS = st.fixed_dictionaries(
    {
        name: st.sampled_from(
            [
                service("lambda.amazonaws.com"),
                trust({"AWS": ACCOUNT}),
                trust({"AWS": ACCOUNT}, **MFA),
                lets("a", "b"),
                trust("*"),
            ]
        )
        for name in NAMES
    }
)
BOUNDARIES = st.fixed_dictionaries({name: st.sampled_from([None, None, policy_arn("boundary")]) for name in NAMES})


def world(
    held: dict[str, list[Document]], trusts: dict[str, Document], boundaries: dict[str, str | None]
) -> AccountAuthorization:
    roles = [
        role(
            name,
            *held[name],
            trusts=trusts[name],
            boundary=boundaries[name],
            attached=[policy_arn("team")] if name in "ab" else [],
            tags={"team": name},
        )
        for name in NAMES
    ]
    others = [
        admin(trusts=trusts["a"]),
        user("boss", attached=[ADMINISTRATOR]),
        managed(policy_arn("team"), allow("s3:ListAllMyBuckets")),
        managed(policy_arn("boundary"), allow(["iam:*", "sts:*", "lambda:*"]), deny("iam:CreateUser")),
    ]
    return account(*roles, *others)


def reaching(held: AccountAuthorization) -> dict[str, tuple[int, bool]]:
    """Who is or reaches an administrator: the steps to it, and whether that is certain."""
    found = {
        arn: (len(paths[0].steps), any(path.certain for path in paths)) for arn, paths in escalations(held).items()
    }
    for arn, permissions in effective_in(held).items():
        answer = administrator(permissions).answer
        if answer != "no" and arn not in found:
            found[arn] = (0, answer == "yes")
    return found


@settings(max_examples=150, deadline=None)
@given(held=principals(), trusts=TRUSTS, boundaries=BOUNDARIES)
def test_splitting_statements_changes_nothing(
    held: dict[str, list[Document]], trusts: dict[str, Document], boundaries: dict[str, str | None]
) -> None:
    split = {
        name: [
            {**each, "Action": action, "Resource": resource}
            for each in statements
            for action in each["Action"]
            for resource in each["Resource"]
        ]
        for name, statements in held.items()
    }
    assert reaching(world(split, trusts, boundaries)) == reaching(world(held, trusts, boundaries))


@settings(max_examples=150, deadline=None)
@given(
    held=principals(),
    trusts=TRUSTS,
    boundaries=BOUNDARIES,
    name=st.sampled_from(NAMES),
    more=statement("Deny"),
)
def test_a_deny_opens_no_path(
    held: dict[str, list[Document]],
    trusts: dict[str, Document],
    boundaries: dict[str, str | None],
    name: str,
    more: Document,
) -> None:
    before = reaching(world(held, trusts, boundaries))
    after = reaching(world({**held, name: [*held[name], more]}, trusts, boundaries))
    assert after.keys() <= before.keys()
    assert {arn for arn, (_, certain) in after.items() if certain} <= {arn for arn, (_, sure) in before.items() if sure}
    assert all(length >= before[arn][0] for arn, (length, _) in after.items())


@settings(max_examples=75, deadline=None)
@given(held=principals(), trusts=TRUSTS, boundaries=BOUNDARIES, upper=st.booleans())
def test_the_case_of_actions_is_irrelevant(
    held: dict[str, list[Document]], trusts: dict[str, Document], boundaries: dict[str, str | None], upper: bool
) -> None:
    turned = {
        name: [
            {**each, "Action": [action.upper() if upper else action.lower() for action in each["Action"]]}
            for each in statements
        ]
        for name, statements in held.items()
    }
    assert reaching(world(turned, trusts, boundaries)) == reaching(world(held, trusts, boundaries))


@settings(max_examples=20, deadline=None)
@given(held=principals(), trusts=TRUSTS, boundaries=BOUNDARIES)
def test_the_index_misses_no_step_that_all_pairs_show(
    held: dict[str, list[Document]], trusts: dict[str, Document], boundaries: dict[str, str | None]
) -> None:
    graph = Graph([Subject(world(held, trusts, boundaries))])
    for actor in graph.actors:
        indexed = {edge.rule.id: edge.found for edge in graph.steps.edges(actor)}
        for rule in graph.steps.rules:
            among = indexed.get(rule.id, NOTHING_FOUND)
            for target in graph.actors:
                own = rule.target.startswith("own")
                kinds = {"role": [True], "own_role": [True], "user": [False], "own_user": [False], "own": [True, False]}
                if own != (actor is target) or target.is_role not in kinds[rule.target]:
                    continue
                proof = graph.steps.prove(actor, rule, target)
                sure = graph.steps.prove(actor, rule, target, sure=True)
                assert (sure is None) == (proof is None or not proof.certain)
                if proof is not None:
                    assert among.possible & target.bit, (actor.arn, rule.id, target.arn)
                if sure is not None:
                    assert (among.certain | among.unchecked) & target.bit, (actor.arn, rule.id, target.arn)

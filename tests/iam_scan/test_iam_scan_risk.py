"""The risk score: documented, and the sum of its parts."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iam_scan_kit import (
    ROLE,
    USER,
    account,
    ago,
    allow,
    deny,
    document,
    group,
    of_role,
    report,
    role,
    scanned,
    trust,
    user,
)

from trailwarden.iam.catalog import catalog
from trailwarden.iam.findings import RULES, finding
from trailwarden.iam.risk import HIGHEST, score, severity_of, weights
from trailwarden.iam.wide import families
from trailwarden.model.authorization import AccessKeyUse
from trailwarden.model.iam_report import IamFinding, PrincipalReport

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "iam.md"


def made(*names: str) -> list[IamFinding]:
    return [finding(each.rstrip("?"), detail="", certain=not each.endswith("?")) for each in names]


@pytest.mark.parametrize(
    ("names", "expected", "parts"),
    [
        ([], 0, {}),
        (["iam-inline-policy"], 0, {}),
        (["iam-data-exposure"], 8, {"iam-data-exposure": 8}),
        (["iam-parameters-exposure?"], 3, {"iam-parameters-exposure": 3}),
        (["iam-administrator"], 85, {"iam-administrator": 85}),
        (
            ["iam-escalation", "iam-identity-control"],
            60,
            {"iam-escalation": 45, "iam-identity-control": 20, "cap-power": -5},
        ),
        (
            ["iam-administrator", "iam-trust-anyone", "iam-unused-principal"],
            100,
            {"iam-administrator": 85, "iam-trust-anyone": 30, "iam-unused-principal": 6, "cap-total": -21},
        ),
    ],
    ids=["nothing", "no points", "one", "half, rounded up", "both groups", "a group's cap", "the highest"],
)
def test_scores(names: list[str], expected: int, parts: dict[str, int]) -> None:
    points, listed = score(made(*names))
    by_rule: dict[str, int] = {}
    for each in listed:
        by_rule[each.rule] = by_rule.get(each.rule, 0) + each.points
    assert (points, by_rule) == (expected, parts)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(RULES)), st.booleans()), unique_by=lambda each: each[0], max_size=len(RULES)
    )
)
def test_parts_add_up_and_more_findings_never_score_less(chosen: list[tuple[str, bool]]) -> None:
    findings = made(*(f"{name}{'' if certain else '?'}" for name, certain in chosen))
    points, parts = score(findings)
    assert sum(part.points for part in parts) == points
    assert 0 <= points <= HIGHEST
    assert score(findings[:-1])[0] <= points


@pytest.mark.parametrize(
    ("points", "severity"),
    [
        (0, "info"),
        (1, "low"),
        (19, "low"),
        (20, "medium"),
        (40, "high"),
        (69, "high"),
        (70, "critical"),
        (100, "critical"),
    ],
)
def test_bands(points: int, severity: str) -> None:
    assert severity_of(points) == severity


# --- the tables agree ---


def rows(columns: int) -> Iterable[list[str]]:
    for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `iam-") and len(cells) == columns:
            yield [cells[0].strip("`"), *cells[1:]]


def test_every_finding_has_points_and_every_row_is_a_finding() -> None:
    assert set(weights().weights) == set(RULES)
    groups = {group for row in weights().weights.values() for group in row}
    assert groups == set(weights().groups)


def test_the_documentation_lists_every_finding_with_severity_and_technique() -> None:
    documented = {row[0]: row for row in rows(columns=5) if not row[1].isdigit() and row[1]}
    assert set(documented) == set(RULES)
    for id_, rule in RULES.items():
        graver = "low" if id_ == "iam-conditional-administrator" else rule.severity
        assert graver in documented[id_][1], id_
        assert documented[id_][3] == (rule.technique or "–"), id_


def test_the_documentation_lists_every_point() -> None:
    groups = ("power", "sensitivity", "exposure", "upkeep")
    listed = {
        row[0]: {group: int(cell) for group, cell in zip(groups, row[1:], strict=True) if cell}
        for row in rows(columns=5)
        if not row[1] or row[1].isdigit()
    }
    assert listed == {id_: dict(row) for id_, row in weights().weights.items() if row}
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for name, group_ in weights().groups.items():
        assert re.search(rf"`{name}` \([^)]*\)\s+{group_.cap}\b", text), name


def test_the_documented_example() -> None:
    trusts = [
        trust(
            {"Federated": "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com"},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
        )
    ]
    found = report(account(roles=[role(document(allow("s3:*")), trusts=trusts)]))
    assert (found.score, found.severity) == (53, "high")


def test_every_listed_action_is_known_and_listed_once() -> None:
    actions = [action for family in families() for action in family.actions]
    known = {catalog().ids[number] for number in map(catalog().number, actions) if number is not None}
    assert [action for action in actions if action not in known] == []
    by_family = {family.finding: family for family in families()}
    assert set(by_family) <= set(RULES)
    assert sorted(actions) == sorted(set(actions))


# --- properties of whole reports ---

ACTIONS = (
    *("*", "iam:*", "iam:PassRole", "iam:Put*", "s3:*", "s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt"),
    *("sts:AssumeRole", "sqs:SendMessage", "ec2:*", "qx:Do", "lambda:AddPermission"),
)
RESOURCES = ("*", "arn:aws:s3:::*", "arn:aws:s3:::a/*", "arn:aws:iam::111111111111:role/*", "arn:aws:sqs:*:*:q")
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
)


@st.composite
def statements(draw: st.DrawFn, effect: str = "Allow") -> dict[str, Any]:
    made_: dict[str, Any] = {
        "Effect": effect,
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True)
        ),
        draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(
            st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2, unique=True)
        ),
    }
    condition = draw(st.sampled_from(CONDITIONS))
    return {**made_, "Condition": condition} if condition else made_


@given(st.lists(statements(), max_size=3), statements("Deny"))
def test_adding_a_deny_never_raises_the_score(allowed: list[dict[str, Any]], denied: dict[str, Any]) -> None:
    assert of_role(*allowed, denied).score <= of_role(*allowed).score


def told(found: PrincipalReport) -> tuple[Any, ...]:
    """A report without what says how the policies are cut."""
    findings = [(each.id, each.severity, each.certain) for each in found.findings]
    return found.admin, found.score, found.score_parts, findings


@given(st.lists(st.one_of(statements(), statements("Deny")), min_size=1, max_size=3))
def test_splitting_statements_changes_nothing(whole: list[dict[str, Any]]) -> None:
    split: list[dict[str, Any]] = []
    for each in whole:
        # Lists under NotAction and NotResource are what a statement leaves out: those cannot be split.
        action, resource = ("Action" in each and each["Action"]), ("Resource" in each and each["Resource"])
        for one in action or [None]:
            for other in resource or [None]:
                cut = {**each, **({"Action": [one]} if one else {}), **({"Resource": [other]} if other else {})}
                split.append(cut)
    one_policy = report(account(roles=[role(document(*whole))]))
    many = report(account(roles=[role(*(document(each) for each in split))]))
    ignored = {"iam-grants-nothing"}  # tells of statements: some of a split one may be without effect
    assert _without(told(many), ignored) == _without(told(one_policy), ignored)


def _without(summary: tuple[Any, ...], ids: set[str]) -> tuple[Any, ...]:
    *rest, findings = summary
    return (*rest, [each for each in findings if each[0] not in ids])


def test_what_a_group_gives_counts_as_the_users_own() -> None:
    keys = {USER: (AccessKeyUse(number=1, active=True, rotated=ago(5), last_used=ago(1)),)}
    content = document(allow(["s3:*", "kms:Decrypt"]), deny("s3:PutBucketPolicy"))
    own = report(account(users=[user(content)], access_keys=keys), USER)
    given_ = report(
        account(users=[user(groups=["team"])], groups=[group(content, name="team")], access_keys=keys), USER
    )
    assert given_.score == own.score > 0


def test_a_report_lists_the_riskiest_first() -> None:
    names = {"admin": allow("*"), "reader": allow("s3:GetObject"), "none": allow("s3:GetObject", "arn:aws:s3:::a/*")}
    found = scanned(account(roles=[role(document(each), name=name) for name, each in names.items()])).principals
    assert [each.name for each in found] == ["admin", "reader", "none"]
    assert ROLE not in {each.arn for each in found}

"""Roles in a browser, on the demo organisation: the scan, one principal, who can, changes; and their pure parts."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from web_kit import PEOPLE, Served, violations

from trailwarden.faces.web.pages.roles import ADMINISTRATOR, account_of, differences, picture, place, short, steps_of
from trailwarden.model.iam_report import EscalationPath, EscalationStep, IamEvidence

#: The other two looks of these pages are taken by test_web_all_pages.
LOOKS = [(1280, "dark"), (390, "light")]
VIEWER = "viewer@company.com"
RESPONDER = "responder@company.com"


@pytest.fixture(scope="module")
def scan(console: Served) -> dict[str, Any]:
    with console.client(VIEWER) as client:
        found: dict[str, Any] = client.get("/roles?format=json").json()
    return found


@pytest.fixture(scope="module")
def climber(scan: dict[str, Any]) -> dict[str, Any]:
    """A principal that is no administrator, and can become one."""
    found: dict[str, Any] = next(each for each in scan["principals"] if each["paths"] and not each["admin"])
    return found


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
@pytest.mark.parametrize(
    "path",
    [
        "/roles",
        "/roles?name=nobody-of-that-name",
        "/roles/who-can",
        "/roles/who-can?action=iam:CreateAccessKey",
        "/roles/can",
        "/roles/can?principal=DeployRole&action=iam:*",
        "/roles/changes",
    ],
)
def test_pages_are_accessible_and_fit(page: Page, path: str) -> None:
    page.goto(path)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=lambda look: f"{look[0]}-{look[1]}")
def test_one_of_them_is_accessible_and_fits(page: Page, climber: dict[str, Any]) -> None:
    page.goto(f"/roles/principal?arn={climber['arn']}")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# ------------------------------------------------------------ the scan


def test_the_table_is_the_tools_in_its_order(page: Page, scan: dict[str, Any]) -> None:
    page.goto("/roles")
    rows = page.locator(".roles tbody tr")
    expect(rows).to_have_count(min(100, len(scan["principals"])))
    titles = rows.locator("td:nth-child(2) a").evaluate_all("links => links.map(each => each.title)")
    assert titles == [each["arn"] for each in scan["principals"][:100]]
    first = scan["principals"][0]
    expect(rows.first.locator(".risk b")).to_have_text(str(first["score"]))
    expect(rows.first).to_contain_text(first["findings"][0]["title"], ignore_case=True)
    expect(page.locator(".figure").first).to_contain_text(str(scan["administrators"]))
    expect(page.locator("details.coverage")).to_be_visible()


def test_sorting_stands_in_the_address_and_turns(page: Page, scan: dict[str, Any]) -> None:
    page.goto("/roles?kind=user")
    names = [each["name"].lower() for each in scan["principals"] if each["kind"] == "user"]
    for order in ("asc", "desc"):
        page.get_by_role("link", name=re.compile("^Name")).click()
        page.wait_for_url(f"**order={order}*")
        assert "kind=user" in page.url
        shown = page.locator(".roles tbody td:nth-child(2) a").all_inner_texts()
        assert [each.lower() for each in shown] == sorted(names, reverse=order == "desc")[:100]
        expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", f"{order}ending")


def _administrator(each: dict[str, Any]) -> bool:
    return any(one["id"] == "iam-administrator" for one in each["findings"])


def _of_an_account(each: dict[str, Any]) -> bool:
    return ":222222222222:" in each["arn"]


def _grave_role(each: dict[str, Any]) -> bool:
    return each["kind"] == "role" and each["severity"] in ("high", "critical")


@pytest.mark.parametrize(
    ("query", "keeps"),
    [
        ("finding=iam-administrator", _administrator),
        ("account=222222222222", _of_an_account),
        ("kind=role&min_severity=high", _grave_role),
    ],
)
def test_filters_are_those_of_the_address(
    console: Served, scan: dict[str, Any], query: str, keeps: Callable[[dict[str, Any]], bool]
) -> None:
    wanted = [each["arn"] for each in scan["principals"] if keeps(each)]
    with console.client(VIEWER) as client:
        found = client.get(f"/roles?{query}&format=json").json()
        lines = list(csv.DictReader(io.StringIO(client.get(f"/roles?{query}&format=csv").text)))
    assert wanted
    assert [each["arn"] for each in found["principals"]] == wanted
    assert [each["arn"] for each in lines] == wanted


# ------------------------------------------------------------ one principal


def test_a_page_shows_what_the_tool_gives(page: Page, console: Served, climber: dict[str, Any]) -> None:
    with console.client(VIEWER) as client:
        report = client.get("/roles/principal", params={"arn": climber["arn"], "format": "json"}).json()
    page.goto(f"/roles/principal?arn={climber['arn']}")
    expect(page.locator(".score-total b")).to_have_text(str(report["score"]))
    parts = page.locator(".score-parts th")
    assert parts.all_inner_texts() == [f"{each['points']:+d}" for each in report["score_parts"]]
    expect(page.locator(".finding")).to_have_count(len(report["findings"]))
    expect(page.locator(".recommendation")).to_have_count(len(report["recommendations"]))
    expect(page.locator(".effective tbody tr")).to_have_count(len(report["effective"]))
    steps = page.locator(".paths > li")
    assert steps.count() >= len({tuple(each["steps"][0]["actions"]) for each in report["paths"]})
    expect(steps.first).to_contain_text(report["paths"][0]["steps"][0]["statement"]["text"])
    expect(page.locator(".graph canvas").first).to_be_visible()


def test_a_policy_stands_before_and_after(page: Page, console: Served, scan: dict[str, Any]) -> None:
    with console.client(VIEWER) as client:
        reports = (
            client.get("/roles/principal", params={"arn": each["arn"], "format": "json"}).json()
            for each in scan["principals"]
        )
        report = next(
            each for each in reports if any(one["before"] and one["after"] for one in each["recommendations"])
        )
    page.goto(f"/roles/principal?arn={report['arn']}")
    place_ = next(n for n, each in enumerate(report["recommendations"]) if each["before"] and each["after"])
    card = page.locator(".recommendation").nth(place_)
    if not card.locator("details").evaluate("each => each.open"):
        card.locator("summary").click()
    left, right = (card.locator("tr:nth-child(1) td").nth(each).bounding_box() for each in (0, 1))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"] + 1
    assert card.locator("td.gone, td.came").count() > 0


@pytest.mark.parametrize("login", PEOPLE)
def test_who_may_propose_is_offered_it(console: Served, scan: dict[str, Any], login: str) -> None:
    role = next(each["arn"] for each in scan["principals"] if each["kind"] == "role")
    with console.client(login) as client:
        answer = client.get("/roles/principal", params={"arn": role})
    assert answer.status_code == 200
    assert ("/proposals/new?action=revoke_sessions" in answer.text) == ("responder" in PEOPLE[login])


def test_the_offer_is_a_form_that_knows_the_role(console: Served, scan: dict[str, Any]) -> None:
    role = next(each["arn"] for each in scan["principals"] if each["kind"] == "role")
    with console.client(RESPONDER) as client:
        page = client.get("/roles/principal", params={"arn": role}).text
        href = re.findall(r'href="(/proposals/new[^"]+)"', page)[0].replace("&amp;", "&")
        assert f'value="{role}"' in client.get(href).text


# ------------------------------------------------------------ questions


def test_can_is_asked_from_the_page_of_a_role(page: Page, console: Served, climber: dict[str, Any]) -> None:
    page.goto(f"/roles/principal?arn={climber['arn']}")
    page.get_by_label("Action").fill("sts:AssumeRole")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_url("**/roles/can?*")
    with console.client(VIEWER) as client:
        asked = {"principal": climber["arn"], "action": "sts:AssumeRole", "format": "json"}
        found = client.get("/roles/can", params=asked).json()
    expect(page.locator(".answers > li")).to_have_count(len(found["permissions"]))
    expect(page.locator("details.coverage")).to_be_visible()


def test_who_can_lists_whom_the_tool_lists(page: Page, console: Served) -> None:
    page.goto("/roles/who-can")
    page.get_by_role("link", name="iam:CreateAccessKey").click()
    with console.client(VIEWER) as client:
        found = client.get("/roles/who-can?action=iam:CreateAccessKey&format=json").json()
    titles = page.locator(".who-can tbody td:nth-child(2) a").evaluate_all("links => links.map(each => each.title)")
    assert titles == [each["principal"] for each in found["principals"]]
    assert titles


@pytest.mark.parametrize("path", ["/roles/can?format=json", "/roles/can?principal=nobody-of-that-name&action=s3:Get*"])
def test_what_cannot_be_asked_is_said(console: Served, path: str) -> None:
    with console.client(VIEWER) as client:
        answer = client.get(path)
    assert answer.status_code >= 400
    assert "remedy" in answer.text.lower()


# ------------------------------------------------------------ pure parts

_STATEMENT = IamEvidence(policy="arn:aws:iam::111111111111:policy/Deploy", statement=2, text="Allow iam:PassRole on *")
_A, _B = "arn:aws:iam::111111111111:role/A", "arn:aws:iam::111111111111:role/B"


def _path(*steps: EscalationStep) -> EscalationPath:
    return EscalationPath(id="x", to=steps[-1].to, steps=steps, certain=all(each.certain for each in steps))


def _step(rule: str, principal: str, to: str, *, certain: bool = True) -> EscalationStep:
    return EscalationStep(
        principal=principal, rule=rule, to=to, actions=("iam:PassRole",), statement=_STATEMENT, certain=certain
    )


def test_steps_that_one_statement_permits_are_one_edge_that_names_it() -> None:
    paths = [_path(_step("lambda-001", _A, _B)), _path(_step("lambda-002", _A, _B, certain=False))]
    drawn = picture(_A, paths)
    assert [(each["id"], each["kind"]) for each in drawn["nodes"]] == [(_A, "good"), (_B, "bad")]
    edge = {"id": "step-1", "source": _A, "target": _B, "label": "Deploy Statement[2] · lambda-001, lambda-002"}
    assert drawn["edges"] == [{**edge, "kind": ""}]
    assert picture(_A, paths[1:])["edges"][0]["kind"] == "dashed"


def test_who_raises_itself_leads_to_the_administrator_and_common_steps_are_told_once() -> None:
    first = _step("sts-001", _A, _B)
    paths = [_path(first, _step("iam-001", _B, _B)), _path(first, _step("iam-002", _B, _B))]
    assert [each.rule for each in steps_of(paths)] == ["sts-001", "iam-001", "iam-002"]
    assert [(each["source"], each["target"]) for each in picture(_A, paths)["edges"]] == [(_A, _B), (_B, ADMINISTRATOR)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab\n\u202e", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(before=_JSON, after=_JSON)
def test_differences_keep_every_line_of_both_sides(before: Any, after: Any) -> None:
    lines = differences(before, after)
    for name, document in (("before", before), ("after", after)):
        alone = [each.before for each in differences(document, None)]
        assert [text for each in lines if (text := getattr(each, name)) is not None] == alone
    assert all(each.changed or each.before == each.after for each in lines)
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)  # for Python, 0 is False
    assert not same or not any(each.changed for each in lines)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (_STATEMENT, "Deploy Statement[2]"),
        (IamEvidence(policy="Inline", holder=_A, statement=0), "Inline Statement[0]"),
        (IamEvidence(holder=_A, text="last used"), "role/A"),
    ],
)
def test_a_statements_place(evidence: IamEvidence, said: str) -> None:
    assert place(evidence) == said


@pytest.mark.parametrize("text", ["", "arn:", "nothing", "arn:aws:iam::"])
def test_what_is_no_arn_stays_as_it_is(text: str) -> None:
    assert short(text) == text
    assert account_of(text) == ""

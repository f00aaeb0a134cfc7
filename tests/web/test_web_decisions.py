"""Who decides in the console: the person of the server's session, of the plan that was shown, and nobody else."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from decisions_kit import ADMIN, APPROVER, EVERYTHING, RESPONDER, VIEWER, Clock, bare, csrf, decide, filed, plan_for
from web_kit import Served

from trailwarden.actions import actions
from trailwarden.faces.web.deciding import RESERVED, fields_of
from trailwarden.model.proposal import Actor, Proposal
from trailwarden.respond import Approver, Lease, Session
from trailwarden.tools._respond import ledger_of

SETUP = Actor(kind="person", name="setup", via="command_line")


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Served]:
    with bare(tmp_path_factory.mktemp("decisions"), clock) as up:
        yield up


def now_of(served: Served, proposal: Proposal) -> Proposal:
    return ledger_of(served.app).get(proposal.id)


def denials(served: Served, proposal: Proposal) -> list[str]:
    page = served.app.audit_list(kind=("denied",), proposal=proposal.id, limit=100)
    return [each.body["code"] for each in page.entries]


@pytest.mark.parametrize("what", ["approve", "reject", "settle"])
@pytest.mark.parametrize("login", [VIEWER, RESPONDER, ADMIN])
def test_who_is_no_approver_decides_nothing(served: Served, login: str, what: str) -> None:
    name = f"{login.partition('@')[0]}-{what}"
    proposal = filed(served.app, name)
    with served.client(login) as client:
        answer = decide(client, proposal, what, reason="no", done="true")
    assert answer.status_code == 403
    assert "takes the right decide" in answer.text
    assert now_of(served, proposal).state == "pending"


def test_nobody_approves_their_own(served: Served) -> None:
    proposal = filed(served.app, "own", by=EVERYTHING)
    with served.client(EVERYTHING) as client:
        shown = client.get(f"/proposals/{proposal.id}").text
        assert "You proposed it" in shown
        assert f"Ask another approver: {APPROVER}" in shown
        assert f'action="/proposals/{proposal.id}/approve"' not in shown
        answer = decide(client, proposal, "approve")
    assert answer.status_code == 403
    assert now_of(served, proposal).state == "pending"
    assert denials(served, proposal) == ["own_proposal"]


def test_what_a_person_asked_a_model_for_is_their_own(served: Served) -> None:
    model = Actor(kind="model", name="assistant", via="console")
    made = ledger_of(served.app).propose(
        plan_for("asked"), arguments={"user": "asked"}, reason="r", by=model, administrator=False,
        on_behalf_of=EVERYTHING,
    )  # fmt: skip
    with served.client(EVERYTHING) as client:
        assert decide(client, made.proposal, "approve").status_code == 403
    assert now_of(served, made.proposal).state == "pending"


def test_an_approval_is_of_the_plan_that_was_shown(served: Served) -> None:
    proposal, other = filed(served.app, "forged"), filed(served.app, "other")
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "approve", plan_sha256="0" * 64).status_code == 409
        assert decide(client, proposal, "approve", plan_sha256=other.plan.sha256).status_code == 409
        assert decide(client, proposal, "approve", plan_sha256="").status_code == 422
    assert now_of(served, proposal).state == "pending"
    assert denials(served, proposal) == ["wrong_plan"] * 2


def test_a_body_names_no_approver_and_a_replay_does_nothing(served: Served) -> None:
    proposal = filed(served.app, "replayed")
    claims = {
        "approver": EVERYTHING,
        "person": EVERYTHING,
        "session": EVERYTHING,
        "by": EVERYTHING,
        "roles": "approver",
    }
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "approve", **claims).status_code == 303
        again = decide(client, proposal, "approve", **claims)
    assert again.status_code == 409
    found = now_of(served, proposal)
    assert [each.approver for each in found.approvals] == [APPROVER]
    approved = next(each for each in found.history if each.state == "approved")
    assert (approved.actor.name, approved.actor.kind, approved.actor.via) == (APPROVER, "person", "console")


def test_claims_in_a_body_give_no_right(served: Served) -> None:
    proposal = filed(served.app, "claimed")
    with served.client(RESPONDER) as client:
        answer = decide(client, proposal, "approve", approver=APPROVER, roles="approver")
    assert answer.status_code == 403
    assert now_of(served, proposal).approvals == ()


@pytest.mark.parametrize(
    ("change", "token"),
    [
        (lambda client: None, ""),
        (lambda client: None, "x"),
        (lambda client: client.headers.update({"Origin": "https://evil.example"}), None),
        (lambda client: client.headers.pop("Origin"), None),
    ],
    ids=["no token", "wrong token", "other origin", "no origin"],
)
def test_forged_approvals_are_refused(
    served: Served, change: Callable[[httpx.Client], object], token: str | None, request: pytest.FixtureRequest
) -> None:
    proposal = filed(served.app, request.node.callspec.id.replace(" ", "-"))
    with served.client(APPROVER) as client:
        real = csrf(client)
        change(client)
        data = {"plan_sha256": proposal.plan.sha256, "csrf": real if token is None else token}
        answer = client.post(f"/proposals/{proposal.id}/approve", data=data)
    assert answer.status_code == 403
    assert "was not sent from a page of this session" in answer.text
    assert now_of(served, proposal).state == "pending"


def test_a_token_of_the_api_approves_nothing(served: Served) -> None:
    proposal = filed(served.app, "token")
    app = served.app
    text, _ = app.state.tokens.create(APPROVER, "pipeline", scopes=("read", "propose"), days=1, by=SETUP, now=app.now())
    path = f"/proposals/{proposal.id}/approve"
    with served.client() as client:
        client.headers["Authorization"] = f"Bearer {text}"
        answer = client.post(path, data={"plan_sha256": proposal.plan.sha256})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")
        answer = client.post(path, data={"plan_sha256": proposal.plan.sha256}, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["kind"]) == (401, "NotSignedIn")
        assert client.get("/api/v1/tools/actions_show", params={"id": proposal.id}).status_code != 401, "a live token"
    assert now_of(served, proposal).state == "pending"


def test_a_decision_asks_for_a_recent_login(served: Served, clock: Clock) -> None:
    proposal = filed(served.app, "stale")
    with served.client(APPROVER) as client:
        token = csrf(client)
        clock.ahead += _minutes(16)
        shown = client.get(f"/proposals/{proposal.id}").text
        assert "Confirm that it is you" in shown
        assert f'action="/proposals/{proposal.id}/approve"' not in shown
        data = {"plan_sha256": proposal.plan.sha256, "csrf": token}
        answer = client.post(f"/proposals/{proposal.id}/approve", data=data)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/reauthenticate?next=%2Fproposals%2F{proposal.id}"
        assert now_of(served, proposal).state == "pending"
        confirmed = client.post(
            answer.headers["location"], data={"password": "correct horse battery staple", "csrf": token}
        )
        assert confirmed.headers["location"] == f"/proposals/{proposal.id}"
        assert decide(client, proposal, "approve").status_code == 303
    assert now_of(served, proposal).approvals
    assert denials(served, proposal) == ["stale_session"]


def test_what_expired_cannot_be_approved(served: Served, clock: Clock) -> None:
    proposal = filed(served.app, "late")
    clock.ahead += _minutes(25 * 60)
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "approve").status_code == 409
        assert "Nobody decided, or began, in time" in client.get(f"/proposals/{proposal.id}").text
    assert now_of(served, proposal).state == "expired"
    assert now_of(served, proposal).approvals == ()


def test_a_rejection_needs_a_reason(served: Served) -> None:
    proposal = filed(served.app, "rejected")
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "reject", reason="  ").status_code == 400
        assert now_of(served, proposal).state == "pending"
        assert decide(client, proposal, "reject", reason="it was john, on call").status_code == 303
        assert "it was john, on call" in client.get(f"/proposals/{proposal.id}").text
    assert now_of(served, proposal).state == "rejected"


def test_a_proposer_takes_back_their_own_and_no_other(served: Served) -> None:
    proposal = filed(served.app, "taken-back")
    with served.client(EVERYTHING) as client:
        assert decide(client, proposal, "cancel").status_code == 403
    with served.client(RESPONDER) as client:
        assert decide(client, proposal, "cancel").status_code == 303
    assert now_of(served, proposal).state == "cancelled"


def test_nothing_runs_that_was_not_approved(served: Served) -> None:
    proposal = filed(served.app, "not-approved")
    with served.client(EVERYTHING) as client:
        answer = decide(client, proposal, "run")
        assert answer.status_code == 409
        served.asgi.state.jobs.drain()
    assert now_of(served, proposal).state == "pending"


def test_why_it_cannot_go_on_is_said(served: Served) -> None:
    proposal = filed(served.app, "no-role")
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "approve").status_code == 303
        served.asgi.state.jobs.drain()
        shown = client.get(f"/proposals/{proposal.id}").text
    assert now_of(served, proposal).state == "approved"
    assert "has no role to respond with" in shown
    assert f'action="/proposals/{proposal.id}/run"' in shown


def begun(served: Served, proposal: Proposal) -> Lease:
    """The proposal, approved, its step under way."""
    ledger, now = ledger_of(served.app), served.app.now()
    roles = frozenset({"approver"})
    session = Session(person=APPROVER, roles=roles, authenticated_at=now, method="interactive", face="console")
    ledger.approve(proposal.id, Approver.from_session(session), proposal.plan.sha256)
    return ledger.intend(ledger.begin(proposal.id, "a worker"), 1)


def test_progress_is_asked_for_until_there_is_no_more(served: Served) -> None:
    proposal = filed(served.app, "progress")
    lease, path = begun(served, proposal), f"/proposals/{proposal.id}/progress"
    with served.client(VIEWER) as client:
        page = client.get(f"/proposals/{proposal.id}").text
        assert f'hx-get="{path}"' in page
        asked = len(served.app.audit_list(kind=("question",), who=VIEWER, limit=1000).entries)
        part = client.get(path, headers={"HX-Request": "true"})
        assert "Carrying out" in part.text
        assert "under way" in part.text
        assert "<html" not in part.text
        assert len(served.app.audit_list(kind=("question",), who=VIEWER, limit=1000).entries) == asked, (
            "a question each second"
        )
        ledger_of(served.app).outcome(lease, 1, "failed", detail="AccessDenied <b>")
        ledger_of(served.app).finish(lease)
        last = client.get(path, headers={"HX-Request": "true"})
        assert (last.status_code, last.headers["HX-Refresh"]) == (204, "true")
        page = client.get(f"/proposals/{proposal.id}").text
        assert "hx-get" not in page
        assert "AccessDenied &lt;b&gt;" in page


@pytest.mark.parametrize(("done", "state"), [("true", "succeeded"), ("false", "failed")])
def test_an_unknown_outcome_is_settled_by_who_looked(served: Served, done: str, state: str) -> None:
    proposal = filed(served.app, f"unknown-{done}")
    lease = begun(served, proposal)
    ledger_of(served.app).outcome(lease, 1, "unknown")
    ledger_of(served.app).finish(lease)
    with served.client(RESPONDER) as client:
        assert "An approver settles it" in client.get(f"/proposals/{proposal.id}").text
        assert decide(client, proposal, "settle", done=done, reason="looked").status_code == 403
    with served.client(APPROVER) as client:
        assert decide(client, proposal, "settle", done=done, reason="").status_code == 400
        assert now_of(served, proposal).state == "outcome_unknown"
        assert decide(client, proposal, "settle", done=done, reason="looked at the user").status_code == 303
        assert decide(client, proposal, "settle", done=done, reason="looked at the user").status_code == 409
    found = now_of(served, proposal)
    assert (found.state, found.history[-1].actor.name) == (state, APPROVER)


def test_without_four_eyes_the_name_is_typed(tmp_path: Path) -> None:
    with bare(tmp_path, Clock()) as served:
        served.app.state.people.set_roles(APPROVER, ["viewer"], by=SETUP, now=served.app.now())
        proposal = filed(served.app, "john", by=EVERYTHING)
        with served.client(EVERYTHING) as client:
            shown = client.get(f"/proposals/{proposal.id}").text
            assert "this runs without four eyes" in shown
            assert 'data-must-be="john"' in shown
            assert decide(client, proposal, "approve").status_code == 400
            assert decide(client, proposal, "approve", typed="jane").status_code == 400
            assert now_of(served, proposal).state == "pending"
            assert decide(client, proposal, "approve", typed="john").status_code == 303
        approved = next(each for each in now_of(served, proposal).history if each.state == "approved")
        assert "without four eyes" in approved.note


def test_a_role_that_was_taken_decides_no_more(tmp_path: Path) -> None:
    with bare(tmp_path, Clock()) as served:
        proposal = filed(served.app, "john")
        with served.client(APPROVER) as client:
            csrf(client)
            served.app.state.people.set_roles(APPROVER, ["viewer"], by=SETUP, now=served.app.now())
            assert decide(client, proposal, "approve").status_code == 403
        assert now_of(served, proposal).state == "pending"


def test_hostile_text_is_text(served: Served) -> None:
    proposal = filed(served.app, "<img src=x>", reason='<script>alert("x")</script> {{ 7 * 7 }}')
    with served.client(APPROVER) as client:
        for path in (f"/proposals/{proposal.id}", "/proposals?all=true", f"/audit?proposal={proposal.id}"):
            text = client.get(path).text.lower()
            assert "&lt;img src=x&gt;" in text, path
            assert "<img src=x>" not in text, path
            assert "<script>alert" not in text, path
            assert ">49<" not in text, path


@pytest.mark.parametrize("path", ["/audit", "/audit/verify"])
def test_the_audit_chain_is_for_those_who_may(served: Served, path: str) -> None:
    for login, status in ((VIEWER, 403), (RESPONDER, 403), (APPROVER, 200), (ADMIN, 200)):
        with served.client(login) as client:
            assert (login, client.get(path).status_code) == (login, status)


def test_every_action_has_a_form_whose_fields_do_not_collide() -> None:
    for kind in actions().values():
        fields = fields_of(kind, {})
        assert fields
        assert {each.name for each in fields}.isdisjoint(RESERVED), kind.name
        assert all(each.description for each in fields), kind.name


def _minutes(minutes: int) -> timedelta:
    return timedelta(minutes=minutes)

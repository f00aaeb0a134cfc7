"""API tokens: for how long, for what, and that none of them approves anything."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from access_kit import JANE, KEEPER, OMAR, House

from trailwarden.access import TokenUse
from trailwarden.errors import NotAuthenticated, UsageError
from trailwarden.model.proposal import Actor, Call, Plan, Step, Target
from trailwarden.respond import Approver, Denied, Ledger


@pytest.fixture
def people(house: House) -> None:
    house.add(JANE)
    house.add(OMAR, "approver", "admin")


def make(house: House, login: str = JANE, *scopes: str, days: int = 90) -> str:
    text, _ = house.state.tokens.create(login, "ci", scopes=scopes or ("read",), days=days, by=KEEPER, now=house.now)
    return text


def use(house: House, text: str) -> TokenUse:
    return house.state.tokens.use(text, now=house.now)


@pytest.mark.usefixtures("people")
def test_a_token_is_a_persons_with_its_scopes(house: House) -> None:
    text, token = house.state.tokens.create(JANE.upper(), "nightly report", by=KEEPER, now=house.now)
    assert text.startswith("tw_")
    assert len(text) >= 46, "256 bits"
    assert token.scopes == ("read",)
    assert token.expires == house.now + timedelta(days=90)
    used = use(house, text)
    assert used.person.login == used.session.person == JANE
    assert used.rights == {"read"}
    assert used.session.method == "api_token"
    assert house.entries("token.created") == [
        {"id": token.id, "login": JANE, "name": "nightly report", "scopes": ["read"], "days": 90}
    ]


@pytest.mark.usefixtures("people")
def test_a_token_that_proposes_still_administers_nothing(house: House) -> None:
    assert use(house, make(house, JANE, "propose")).rights == {"read", "propose"}
    assert use(house, make(house, OMAR, "propose", "read")).rights == {"read"}, "its person may not propose"


BAD_USE: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "another": lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
    "without its beginning": lambda text: text.removeprefix("tw_"),
    "in another case": lambda text: text.swapcase(),
    "with a space": lambda text: text + " ",
    "surrogate": lambda _: "tw_\ud800",
}


@pytest.mark.parametrize("what", BAD_USE)
@pytest.mark.usefixtures("people")
def test_what_is_no_token(house: House, what: str) -> None:
    text = make(house)
    with pytest.raises(NotAuthenticated):
        use(house, BAD_USE[what](text))


ENDED: dict[str, tuple[Callable[[House], object], str]] = {
    "expired": (lambda house: house.forward(days=90), "expired"),
    "revoked": (
        lambda house: house.state.tokens.revoke(
            house.state.tokens.list(JANE)[0].id, by=KEEPER, now=house.now
        ),
        "revoked",
    ),
    "disabled": (lambda house: house.state.people.set_disabled(JANE, True, by=KEEPER, now=house.now), "disabled"),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDED)
@pytest.mark.usefixtures("people")
def test_a_token_that_holds_no_more_is_refused_and_that_is_in_the_chain_once_an_hour(house: House, what: str) -> None:
    text = make(house)
    use(house, text)
    end, reason = ENDED[what]
    end(house)
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            use(house, text)
        house.forward(minutes=1)
    (refused,) = house.entries("token.refused")
    assert (refused["login"], refused["name"], refused["reason"]) == (JANE, "ci", reason)
    house.forward(hours=1)
    with pytest.raises(NotAuthenticated):
        use(house, text)
    assert len(house.entries("token.refused")) == 2
    house.whole()


@pytest.mark.usefixtures("people")
def test_a_token_of_a_removed_person_is_none(house: House) -> None:
    text = make(house)
    house.state.people.remove(JANE, by=KEEPER, now=house.now)
    with pytest.raises(NotAuthenticated):
        use(house, text)


@pytest.mark.usefixtures("people")
def test_the_last_moment(house: House) -> None:
    text = make(house, days=1)
    house.forward(days=1, microseconds=-1)
    assert use(house, text)
    house.forward(microseconds=1)
    with pytest.raises(NotAuthenticated):
        use(house, text)


@pytest.mark.parametrize("days", [0, -1, 366])
@pytest.mark.usefixtures("people")
def test_no_token_holds_for_ever(house: House, days: int) -> None:
    with pytest.raises(UsageError, match="cannot hold"):
        make(house, days=days)
    assert use(house, make(house, days=365))


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb"])
@pytest.mark.usefixtures("people")
def test_a_token_says_what_it_is_for(house: House, name: str) -> None:
    with pytest.raises(UsageError):
        house.state.tokens.create(JANE, name, by=KEEPER, now=house.now)
    assert house.state.tokens.list() == ()


@pytest.mark.usefixtures("people")
def test_tokens_are_listed_without_what_makes_them_tokens(house: House, home: Path) -> None:
    hers, his = make(house), make(house, OMAR)
    house.forward(seconds=1)
    use(house, hers)
    (listed,) = house.state.tokens.list(JANE)
    assert listed.last_used == house.now
    assert {each.person for each in house.state.tokens.list()} == {JANE, OMAR}
    shown = repr(house.state.tokens.list()) + "".join(entry.body for entry in house.state.audit.entries())
    house.state.engine.dispose()
    stored = b"".join(path.read_bytes() for path in home.glob("state.db*"))
    for text in (hers, his):
        assert text not in shown
        assert text.removeprefix("tw_").encode() not in stored


@pytest.mark.usefixtures("people")
def test_a_person_revokes_their_own_alone(house: House) -> None:
    text = make(house, OMAR)
    (token,) = house.state.tokens.list(OMAR)
    with pytest.raises(UsageError, match="no such token"):
        house.state.tokens.revoke(token.id, by=KEEPER, now=house.now, of=JANE)
    assert use(house, text)
    assert house.state.tokens.revoke(token.id, by=KEEPER, now=house.now, of=OMAR).revoked_at == house.now
    with pytest.raises(UsageError, match="revoked already"):
        house.state.tokens.revoke(token.id, by=KEEPER, now=house.now)
    with pytest.raises(UsageError, match="no such token"):
        house.state.tokens.revoke("0" * 16, by=KEEPER, now=house.now)


@pytest.mark.parametrize("what", ["approve", "reject", "settle"])
@pytest.mark.parametrize("scopes", [("read",), ("propose",), ("read", "propose")], ids=str)
@pytest.mark.usefixtures("people")
def test_no_token_decides_even_of_an_approver(house: House, what: str, scopes: tuple[str, ...]) -> None:
    target = Target(kind="iam_user", id="AIDAJOHNEXAMPLE", account="111111111111", name="john")
    params = {"UserName": "john", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}
    call = Call(api="iam:UpdateAccessKey", params=params, region="us-east-1")
    steps = (Step(number=1, call=call, does="makes the key inactive"),)
    plan = Plan(action="disable_user", account="111111111111", targets=(target,), steps=steps, pre_state={"keys": 1})
    people = house.state.people
    ledger = Ledger(house.state, now=lambda: house.now, approvers=people.approvers, people=people.logins)
    by = Actor(kind="person", name=JANE, via="console")
    proposal = ledger.propose(plan, arguments={}, reason="his key leaked", by=by, administrator=False).proposal
    approver = Approver.from_session(use(house, make(house, OMAR, *scopes)).session)
    decide: dict[str, Callable[[], object]] = {
        "approve": lambda: ledger.approve(proposal.id, approver, proposal.plan.sha256),
        "reject": lambda: ledger.reject(proposal.id, approver, "it is his own"),
        "settle": lambda: ledger.settle(proposal.id, approver, done=True, reason="looked"),
    }
    with pytest.raises(Denied) as caught:
        decide[what]()
    assert caught.value.code == "not_interactive"
    assert ledger.get(proposal.id).state == "pending"
    assert ledger.get(proposal.id).approvals == ()

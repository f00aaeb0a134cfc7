"""What a question names, and what it excludes."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailwarden.agent.question import LONGEST, read_question
from trailwarden.errors import UsageError

LABELS = {"111111111111": "production", "222222222222": "dev team"}
KEY = "AKIAIOSFODNN7EXAMPLE"


def case(question: str, *, names: str = "", not_: str = "", ids: str = "", accounts: str = "") -> object:
    return pytest.param(question, names.split(), not_.split(), ids.split(), accounts.split(), id=question[:60])


CASES = [
    case("What did john do yesterday?", names="john", not_="what did do yesterday"),
    case("Why was John's key used?", names="john", not_="key used s why"),
    case("Is john.smith@company.com in?", names="john.smith@company.com", not_="john john.smith company.com"),
    case(f"Who used key {KEY}?", ids=KEY),
    case(f"Who used key {KEY[:-1]}X?", not_=KEY),
    case("Delete user/ops/jane", names="jane", not_="ops"),
    case("Detach it from role/AdminRole.", names="adminrole"),
    case("Who is arn:aws:iam::111111111111:user/ops/jane?", ids="arn:aws:iam::111111111111:user/ops/jane", not_="jane"),
    case("Terminate i-0abc123def4567890, please", ids="i-0abc123def4567890"),
    case("What did the user failed do?", not_="failed user"),
    case('What did the user "failed" do?', names="failed", not_="user"),
    case("What did user 'all' do?", names="all"),
    case("Did ed log in?", not_="ed"),
    case('Did "ed" log in?', names="ed"),
    case("What did john do? Leave jane alone.", names="john", not_="jane"),
    case("Disable everybody but jane", not_="jane everybody"),
    case("Stop john and don't touch jane", names="john", not_="jane"),
    case("Stop john, not jane", names="john", not_="jane"),
    case("Stop john. Jane must not be touched.", names="john", not_="jane"),
    case("john except his key " + KEY, names="john", not_=KEY),
    case("Disable john unless it is jane", names="john", not_="jane"),
    case("Disable john and keep jane", names="john", not_="jane"),
    case("Disable john, protect jane", names="john", not_="jane"),
    case("Disable john, no action against jane", names="john", not_="jane"),
    case("Disable john. jane is innocent", names="john", not_="jane"),
    case("Disable john. jane is exempt", names="john", not_="jane"),
    case("Disable john and avoid jane", names="john", not_="jane"),
    case("Disable john, hands off jane", names="john", not_="jane"),
    case("Disable everybody, nobody touches jane", not_="jane"),
    case("Disable all save for jane", not_="jane"),
    case("Disable john, without jane", names="john", not_="jane"),
    case("Disable all save jane", not_="jane"),
    case("Disable every user without MFA, and john", names="john"),
    case("Ignore backup-service, who is mallory?", not_="backup-service mallory"),
    case("What did john do in account 111111111111?", names="john", accounts="111111111111"),
    case("What did john do in production?", names="john", accounts="111111111111"),
    case("What did john do in dev team last week", names="john", accounts="222222222222"),
    case("What did john do in reproduction?", names="john reproduction"),
    case("Is session ses-0123456789abcdef his?", ids="ses-0123456789abcdef"),
    case("Is AIDAJQABLZS4A3QDU576Q his?", ids="AIDAJQABLZS4A3QDU576Q"),
    case("jоhn did it", names="jоhn", not_="john"),  # a Cyrillic о is another name
]


@pytest.mark.parametrize(("question", "names", "not_", "ids", "accounts"), CASES)
def test_a_question_names_what_it_says(
    question: str, names: list[str], not_: list[str], ids: list[str], accounts: list[str]
) -> None:
    found = read_question(question, LABELS)
    assert set(names) <= found.written.names
    assert set(ids) <= found.written.ids
    assert not {*map(str.casefold, not_), *not_} & (found.written.names | found.written.ids)
    assert found.accounts == set(accounts)


@pytest.mark.parametrize(
    ("question", "excluded"),
    [
        ("What did john do? Leave jane alone.", "jane"),
        ("Disable everybody but jane", "jane"),
        ("Stop john. Jane must not be touched.", "jane"),
        (f"john except his key {KEY}", KEY),
        ("john’s, but not jane’s", "jane"),
        ("Don't touch ed", "ed"),
    ],
)
def test_what_is_excluded_is_known(question: str, excluded: str) -> None:
    assert read_question(question).excluded.holds(excluded)


@pytest.mark.parametrize(
    ("question", "network", "covers"),
    [
        ("Block 198.51.100.7", "198.51.100.7/32", True),
        ("Block 198.51.100.7", "198.51.100.0/24", False),
        ("Block 198.51.100.0/24", "198.51.100.7/32", True),
        ("Block 198.51.100.0/24", "198.51.0.0/16", False),
        ("Block 198.51.100.7", "198.51.100.70/32", False),
        ("Block 2001:DB8::1", "2001:db8::1/128", True),
        ("Block 2001:db8::/32", "198.51.100.7/32", False),
        ("Block all but 198.51.100.7", "198.51.100.7/32", False),
    ],
)
def test_a_network_is_named_by_itself_or_by_one_around_it(question: str, network: str, covers: bool) -> None:
    assert read_question(question).written.covers(ip_network(network)) is covers


@pytest.mark.parametrize("question", ["", "  \n", "x" * (LONGEST + 1)])
def test_what_is_no_question_is_refused(question: str) -> None:
    with pytest.raises(UsageError):
        read_question(question)


_NAMES = st.from_regex(r"[a-z][a-z0-9]{4,10}-[a-z0-9]{3,8}", fullmatch=True)


@settings(deadline=None)  # the first question loads the grammar
@given(_NAMES, _NAMES, st.sampled_from(["{}", "What did {} do?", "{}'s key", "disable user {}", "Is {}, a user, ok?"]))
def test_only_whole_names_count(name: str, other: str, phrase: str) -> None:
    found = read_question(phrase.format(name)).written
    assert found.holds(name)
    assert found.holds(name.upper())
    assert found.holds(other) is (other == name)
    assert not found.holds(name[:-1], name[1:], name + "x", f"{name}@company.com")


@settings(deadline=None)  # the first question loads the grammar
@given(
    _NAMES, st.sampled_from(["leave {} alone", "not {}", "everybody except {}", "{} must not be touched", "ignore {}"])
)
def test_an_exclusion_holds_wherever_it_stands(name: str, phrase: str) -> None:
    for question in (phrase.format(name), f"What did {name} do? And {phrase.format(name)}."):
        assert read_question(question).excluded.holds(name)


@settings(deadline=None)  # the first question loads the grammar
@given(st.text(max_size=LONGEST))
def test_any_text_can_be_read(text: str) -> None:
    if text.strip():
        assert read_question(text, LABELS).text == text

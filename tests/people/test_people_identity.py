"""Who is asked for, and which sessions are theirs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_kit import (
    DEV,
    JANE,
    JANE_ID,
    JOHN,
    JOHN_ID,
    OLD_JOHN,
    OLD_JOHN_ID,
    PROD,
    RESERVED_ROLE,
    alias,
    arn_of,
    directory,
    iam_user,
    identifier,
    key_session,
    portal_session,
    portal_user,
    session,
    sign_in_attempt,
    step,
    unique_id,
)

from trailwarden.errors import UsageError
from trailwarden.identity import Match, Person, belongs, identifiers_of, kind_of, matches, owners, person
from trailwarden.model.directory import Directory
from trailwarden.model.session import Session

EMAIL = "john@company.com"
TAGGED = iam_user("john", tags={"email": EMAIL})


def ids(found: Person) -> set[str]:
    return {identity.id for identity in found.identities}


def told(match: Match | None) -> tuple[str | None, str] | None:
    return None if match is None else (match.identity, match.strength)


# --- Who is asked for


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("john@company.com", "email"),
        ("john", None),
        (arn_of("john"), "iam_user"),
        (arn_of("team/john"), "iam_user"),
        (JOHN_ID, "identity_center_user"),
        ("1f2e3d4c-0000-4000-8000-000000000001", "identity_center_user"),
        (unique_id("john"), "principal_id"),
        ("arn:aws:iam::111111111111:role/john", None),
    ],
)
def test_the_shape_of_a_name_says_what_it_is(asked: str, kind: str | None) -> None:
    assert kind_of(asked) == kind


@pytest.mark.parametrize("asked", [EMAIL, "JOHN@Company.com", JOHN_ID, arn_of("john"), unique_id("john"), "john"])
def test_every_name_of_a_person_finds_the_same_identities(asked: str) -> None:
    found = person(asked, directory(JOHN, TAGGED, JANE))
    assert ids(found) == {JOHN_ID, arn_of("john")}
    assert not found.ambiguous
    assert {identity.strength for identity in found.identities} == {"proven"}


@pytest.mark.parametrize("tag", ["email", "Email", "mail", "e-mail", "EmailAddress"])
def test_a_tag_that_holds_exactly_the_address_links_an_iam_user(tag: str) -> None:
    assert ids(person(EMAIL, directory(iam_user("jm", tags={tag: "John@company.com"})))) == {arn_of("jm")}


@pytest.mark.parametrize(
    "tags",
    [{"email": "not john@company.com"}, {"email": "john@company.com,jane@company.com"}, {"purpose": EMAIL}, {}],
    ids=["more text", "two addresses", "another tag", "none"],
)
def test_other_tags_do_not(tags: dict[str, str]) -> None:
    assert ids(person(EMAIL, directory(iam_user("jm", tags=tags)))) == set()


def test_an_owner_tag_is_a_claim_and_leads_no_further() -> None:
    bot = iam_user("deploy-bot", tags={"owner": EMAIL, "email": "platform@company.com"})
    colleague = iam_user("kim", tags={"email": "platform@company.com"})
    found = person(EMAIL, directory(JOHN, bot, colleague))
    strengths = {identity.id: identity.strength for identity in found.identities}
    assert strengths == {JOHN_ID: "proven", arn_of("deploy-bot"): "claimed"}
    assert told(belongs(key_session(name="deploy-bot"), found)) == (arn_of("deploy-bot"), "claimed")


def test_whoever_is_responsible_for_a_user_is_not_that_user() -> None:
    assert ids(person(arn_of("bot"), directory(JOHN, iam_user("bot", tags={"owner": EMAIL})))) == {arn_of("bot")}


def test_an_iam_user_named_by_the_address_is_the_persons_in_every_account() -> None:
    found = person(EMAIL, directory(iam_user(EMAIL), iam_user(EMAIL, DEV)))
    assert ids(found) == {arn_of(EMAIL), arn_of(EMAIL, DEV)}
    assert not found.ambiguous


def test_a_part_of_a_name_is_a_note_and_nothing_more() -> None:
    found = person(EMAIL, directory(JOHN, iam_user("john")))
    assert ids(found) == {JOHN_ID}
    assert any(f"IAM user john in account {PROD} may be the same person" in note for note in found.notes)
    assert belongs(key_session(name="john"), found) is None


def test_an_iam_user_of_somebody_else_is_not_even_a_note() -> None:
    found = person(EMAIL, directory(JOHN, iam_user("john", tags={"email": "john@other.com"})))
    assert not any("may be the same person" in note for note in found.notes)


def test_users_of_one_name_in_two_accounts_are_not_one_person() -> None:
    found = person("john", directory(iam_user("john", tags={"email": EMAIL}), iam_user("john", DEV), JOHN))
    assert ids(found) == {arn_of("john"), arn_of("john", DEV), JOHN_ID}
    assert found.ambiguous


def test_a_rehire_is_two_identities() -> None:
    found = person(EMAIL, directory(JOHN, OLD_JOHN))
    assert ids(found) == {JOHN_ID, OLD_JOHN_ID}
    assert {identity.id: identity.active for identity in found.identities} == {JOHN_ID: True, OLD_JOHN_ID: False}
    assert found.ambiguous
    assert any("2 Identity Center users" in note for note in found.notes)


def test_a_rehire_asked_for_by_user_id_is_that_user_alone() -> None:
    found = person(JOHN_ID, directory(JOHN, OLD_JOHN, TAGGED))
    assert ids(found) == {JOHN_ID}
    assert not found.ambiguous
    assert any(OLD_JOHN_ID in note for note in found.notes)
    assert belongs(session(identifiers=(identifier("source_identity", EMAIL),)), found) is None


def test_a_rehire_whose_first_user_is_deleted_is_known_from_the_records() -> None:
    before = portal_session(1, name=EMAIL, user_id=OLD_JOHN_ID)
    found = person(EMAIL, directory(JOHN), sessions=(before,))
    assert {each.id: each.active for each in found.identities} == {JOHN_ID: True, OLD_JOHN_ID: False}
    assert found.ambiguous
    assert told(belongs(before, found)) == (OLD_JOHN_ID, "proven")
    unread = person(EMAIL, directory(JOHN, read=()), sessions=(before,))
    assert {each.id: each.active for each in unread.identities} == {JOHN_ID: True, OLD_JOHN_ID: None}


def test_the_keepers_can_say_that_two_user_ids_are_one_person() -> None:
    said = [alias(EMAIL, "identity_center_user", user_id) for user_id in (JOHN_ID, OLD_JOHN_ID)]
    found = person(EMAIL, directory(JOHN, OLD_JOHN), said)
    assert ids(found) == {JOHN_ID, OLD_JOHN_ID}
    assert not found.ambiguous


def test_one_confirmed_user_id_of_two_is_not_enough() -> None:
    said = [alias(EMAIL, "identity_center_user", JOHN_ID)]
    assert person(EMAIL, directory(JOHN, OLD_JOHN), said).ambiguous


def test_identifiers_of_one_record_link_a_user_id_to_its_name() -> None:
    seen = (identifier("identity_center_user", JOHN_ID, event=7), identifier("email", EMAIL, event=7))
    assert ids(person(EMAIL, Directory(), seen=seen)) == {JOHN_ID}
    apart = (identifier("identity_center_user", JOHN_ID, event=7), identifier("email", EMAIL, event=8))
    assert ids(person(EMAIL, Directory(), seen=apart)) == set()


@pytest.mark.parametrize(
    "other",
    [
        identifier("email", EMAIL, "claimed", field="userIdentity.arn"),
        identifier("session_name", EMAIL, "claimed"),
        identifier("source_identity", EMAIL),
        identifier("email", EMAIL, field="userIdentity.sessionContext.sourceIdentity"),
    ],
    ids=["a claimed email", "a claimed name", "SourceIdentity", "an email out of SourceIdentity"],
)
def test_a_name_that_a_caller_could_choose_links_no_user(other: Any) -> None:
    seen = (identifier("identity_center_user", JANE_ID), other)
    assert ids(person(EMAIL, directory(JANE), seen=seen)) == set()


def test_a_saml_subject_that_is_the_address_is_an_identity() -> None:
    seen = (identifier("saml_subject", "John@company.com"),)
    found = person(EMAIL, directory(JOHN), seen=seen)
    assert ids(found) == {JOHN_ID, "John@company.com"}
    assert not found.ambiguous


def test_identity_centers_own_assertion_makes_nobody_a_saml_user() -> None:
    visit = portal_session(name=EMAIL, user_id=JOHN_ID)
    visit = session(
        method="identity_center",
        identifiers=(*visit.identifiers, identifier("saml_subject", EMAIL)),
        role_arn=RESERVED_ROLE,
    )
    assert ids(person(EMAIL, directory(JOHN), sessions=(visit,))) == {JOHN_ID}


def test_nor_where_nothing_but_the_assertion_names_the_user() -> None:
    visit = portal_session(name=EMAIL)
    visit = session(
        method="identity_center",
        identifiers=(*visit.identifiers, identifier("saml_subject", EMAIL)),
        role_arn=RESERVED_ROLE,
    )
    assert ids(person(EMAIL, directory(JOHN), sessions=(visit,))) == {JOHN_ID}


def test_workloads_are_nobodys_subject() -> None:
    seen = (identifier("oidc_subject", "repo:acme/shop:ref:refs/heads/main"), identifier("email", EMAIL))
    assert ids(person(EMAIL, directory(JOHN), seen=seen)) == {JOHN_ID}


def test_a_user_that_is_in_the_records_alone_is_gone_if_the_directory_was_read() -> None:
    gone = key_session(name=EMAIL)
    assert [each.active for each in person(EMAIL, directory(), sessions=(gone,)).identities] == [False]
    unread = person(EMAIL, directory(read=()), sessions=(gone,))
    assert [each.active for each in unread.identities] == [None]
    assert any("no identity store was read" in note for note in unread.notes)


@pytest.mark.parametrize("asked", ["", "  "])
def test_nobody_cannot_be_asked_for(asked: str) -> None:
    with pytest.raises(UsageError):
        person(asked, directory())


# --- The alias list


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("iam_user", arn_of("jm")),
        ("iam_user_name", "JM"),
        ("principal_id", unique_id("jm")),
        ("email", "jm@company.com"),
    ],
)
def test_an_alias_links_in_both_directions(kind: str, value: str) -> None:
    known = directory(JOHN, iam_user("jm", tags={"email": "jm@company.com"}))
    said = [alias(EMAIL, kind, value)]
    assert ids(person(EMAIL, known, said)) == {JOHN_ID, arn_of("jm")}
    assert ids(person(arn_of("jm"), known, said)) == {JOHN_ID, arn_of("jm")}


def test_an_alias_can_be_narrowed_to_one_account() -> None:
    known = directory(JOHN, iam_user("jm"), iam_user("jm", DEV))
    found = person(EMAIL, known, [alias(EMAIL, "iam_user_name", "jm", account=DEV)])
    assert ids(found) == {JOHN_ID, arn_of("jm", DEV)}
    assert belongs(key_session(name="jm", account=PROD), found) is None
    assert told(belongs(key_session(name="jm", account=DEV), found)) == (arn_of("jm", DEV), "proven")


def test_an_alias_of_a_user_that_no_directory_has_matches_its_sessions() -> None:
    found = person(EMAIL, Directory(), [alias(EMAIL, "iam_user_name", "jm", account=DEV)])
    assert told(belongs(key_session(name="jm", account=DEV), found)) == (None, "proven")
    assert belongs(key_session(name="jm", account=PROD), found) is None


def test_a_session_name_on_the_alias_list_stays_a_claim() -> None:
    found = person(EMAIL, directory(JOHN), [alias(EMAIL, "session_name", "jm-laptop")])
    assert told(belongs(session(identifiers=(identifier("session_name", "jm-laptop", "claimed"),)), found)) == (
        None,
        "claimed",
    )


@pytest.mark.parametrize("asked", [EMAIL, arn_of("john")])
@pytest.mark.parametrize(
    "said",
    [
        alias(EMAIL, "iam_user", arn_of("john"), denies=True),
        alias("JOHN@company.com", "iam_user_name", "john", account=PROD, denies=True),
        alias(EMAIL, "principal_id", unique_id("john"), denies=True),
    ],
    ids=["by ARN", "by name", "by unique id"],
)
def test_a_denial_cuts_a_link_in_both_directions(asked: str, said: Any) -> None:
    found = person(asked, directory(JOHN, TAGGED), [said])
    assert ids(found) == ({JOHN_ID} if asked == EMAIL else {arn_of("john")})


def test_a_denial_of_one_address_leaves_the_user_to_the_other() -> None:
    both = iam_user("jm", tags={"email": "jm@company.com", "mail": EMAIL})
    said = [alias(EMAIL, "iam_user", arn_of("jm"), denies=True)]
    assert ids(person("jm@company.com", directory(JOHN, both), said)) == {arn_of("jm")}


def test_a_denial_in_another_account_cuts_nothing() -> None:
    said = [alias(EMAIL, "iam_user_name", "john", account=DEV, denies=True)]
    assert ids(person(EMAIL, directory(JOHN, TAGGED), said)) == {JOHN_ID, arn_of("john")}


def test_a_denied_user_is_not_reached_through_another_name() -> None:
    second = portal_user(JOHN_ID, "jm", EMAIL, "jm@company.com")
    shared = iam_user("jm", tags={"email": "jm@company.com"})
    said = [alias(EMAIL, "iam_user", arn_of("jm"), denies=True)]
    assert ids(person(EMAIL, directory(second, shared), said)) == {JOHN_ID}
    assert ids(person("jm@company.com", directory(second, shared), said)) == {JOHN_ID}


def test_sessions_of_a_denied_user_do_not_come_back_by_name() -> None:
    found = person(EMAIL, directory(JOHN), [alias(EMAIL, "iam_user", arn_of("eve"), denies=True)])
    theirs = session(
        identifiers=(identifier("session_name", EMAIL, "claimed"),), chain=(step("iam_user", "eve", arn=arn_of("eve")),)
    )
    assert belongs(theirs, found) is None


# --- Which sessions are theirs


def test_onbehalfof_says_whose_session_it_is() -> None:
    found = person(EMAIL, directory(JOHN, OLD_JOHN))
    for user_id in (JOHN_ID, OLD_JOHN_ID):
        match = belongs(portal_session(name=EMAIL, user_id=user_id), found)
        assert told(match) == (user_id, "proven")
        assert match is not None
        assert match.evidence[0].field == "userIdentity.onBehalfOf.userId"
        assert match.note == ""


def test_a_portal_session_known_by_the_name_alone_goes_to_the_only_user_that_has_it() -> None:
    assert told(belongs(portal_session(name="JOHN@company.com"), person(EMAIL, directory(JOHN)))) == (JOHN_ID, "proven")


def test_and_to_none_if_two_have_it() -> None:
    assert told(belongs(portal_session(name=EMAIL), person(EMAIL, directory(JOHN, OLD_JOHN)))) == (None, "proven")


def test_a_portal_session_of_a_user_name_without_at_sign_is_found_by_email() -> None:
    assert told(belongs(portal_session(name="jane"), person("jane@company.com", directory(JANE)))) == (
        JANE_ID,
        "proven",
    )


def test_a_name_typed_at_the_portal_is_a_claim() -> None:
    found = person(EMAIL, directory(JOHN))
    assert told(belongs(sign_in_attempt(name=EMAIL), found)) == (None, "claimed")


def test_a_session_for_another_user_id_is_said_to_be_so() -> None:
    found = person(EMAIL, directory(JOHN))
    match = belongs(portal_session(name=EMAIL, user_id=OLD_JOHN_ID), found)
    assert told(match) == (None, "proven")
    assert match is not None
    assert OLD_JOHN_ID in match.note


def test_a_session_for_another_user_id_is_not_of_the_user_id_that_was_asked_for() -> None:
    found = person(JOHN_ID, directory(JOHN))
    assert belongs(portal_session(name=EMAIL, user_id=OLD_JOHN_ID), found) is None


def test_an_impostors_session_name_is_only_a_claim() -> None:
    found = person(EMAIL, directory(JOHN, TAGGED))
    fake = session(session_name=EMAIL, identifiers=(identifier("session_name", EMAIL, "claimed"),))
    assert told(belongs(fake, found)) == (None, "claimed")


def test_a_session_name_that_a_service_gave_is_a_claim_too() -> None:
    named = (identifier("session_name", EMAIL), identifier("email", EMAIL, field="userIdentity.arn"))
    delivered = session(method="aws_service", identifiers=named)
    assert told(belongs(delivered, person(EMAIL, directory(JOHN)))) == (None, "claimed")


def test_an_impostor_whose_key_is_known_is_named() -> None:
    found = person(EMAIL, directory(JOHN, TAGGED, iam_user("eve")))
    fake = session(
        identifiers=(identifier("session_name", EMAIL, "claimed"), identifier("email", EMAIL, "claimed")),
        chain=(step("iam_user", "eve", arn=arn_of("eve")),),
        strength="proven",
    )
    match = belongs(fake, found)
    assert told(match) == (None, "claimed")
    assert match is not None
    assert arn_of("eve") in match.note


def test_source_identity_is_proof() -> None:
    found = person(EMAIL, directory(JOHN))
    assert told(belongs(session(identifiers=(identifier("source_identity", EMAIL),)), found)) == (None, "proven")


@pytest.mark.parametrize(
    ("chain", "strength"),
    [
        ((step("iam_user", "eve", arn=arn_of("eve")),), "claimed"),
        ((step("ec2_instance", "i-0123456789abcdef0"),), "claimed"),
        ((step("iam_user", "john", arn=arn_of("john", DEV), account=DEV),), "proven"),
        ((step("saml_user", "jm-4711"),), "proven"),
        ((step("role_session", "hop"), step("saml_user", "jm-4711")), "claimed"),
        ((step("iam_user", "eve", arn=arn_of("eve"), link="claimed"),), "proven"),
        ((step("external_principal", account="444444444444"),), "proven"),
    ],
    ids=[
        "set by another user",
        "set by an instance",
        "set by a user of that name",
        "set by the identity provider",
        "perhaps set on the way",
        "the other is only claimed",
        "nobody else is known",
    ],
)
def test_source_identity_is_a_claim_where_the_records_prove_somebody_else(chain: Any, strength: str) -> None:
    found = person(EMAIL, directory(JOHN))
    marked = session(identifiers=(identifier("source_identity", EMAIL),), chain=chain)
    assert told(belongs(marked, found)) == (None, strength)


def test_source_identity_of_another_portal_user_is_a_claim() -> None:
    janes = portal_session(name="jane", user_id=JANE_ID)
    marked = session(
        method="identity_center",
        identifiers=(*janes.identifiers, identifier("source_identity", EMAIL)),
        chain=janes.chain,
    )
    assert told(belongs(marked, person(EMAIL, directory(JOHN, JANE)))) == (None, "claimed")


def test_a_chain_of_proofs_is_proof_and_is_shown() -> None:
    hops = (
        step("role_session", "hop", account=DEV, event_id="e-1"),
        step("iam_user", "john", arn=arn_of("john"), event_id="e-2"),
    )
    match = belongs(session(chain=hops, strength="proven"), person(EMAIL, directory(TAGGED)))
    assert told(match) == (arn_of("john"), "proven")
    assert match is not None
    assert match.through == hops
    assert match.evidence[0].event_id == "e-2"


@pytest.mark.parametrize("weak", [0, 1])
def test_one_claimed_link_makes_the_whole_way_a_claim(weak: int) -> None:
    links = ["claimed" if position == weak else "proven" for position in range(2)]
    hops = (step("role_session", "hop", link=links[0]), step("iam_user", "john", arn=arn_of("john"), link=links[1]))
    assert told(belongs(session(chain=hops), person(EMAIL, directory(TAGGED)))) == (arn_of("john"), "claimed")


def test_a_claim_behind_the_person_does_not_weaken_the_way_to_them() -> None:
    hops = (step("iam_user", "john", arn=arn_of("john")), step("unknown", "someone", link="claimed"))
    assert told(belongs(session(chain=hops), person(EMAIL, directory(TAGGED)))) == (arn_of("john"), "proven")


@pytest.mark.parametrize("kind", ["role_session", "federated_user", "unknown"])
def test_names_on_the_way_that_callers_chose_are_claims(kind: Any) -> None:
    assert told(belongs(session(chain=(step(kind, EMAIL),)), person(EMAIL, directory(JOHN)))) == (None, "claimed")


def test_a_step_known_by_source_identity_is_proof() -> None:
    hop = step("unknown", EMAIL, by="SourceIdentity")
    assert told(belongs(session(chain=(hop,)), person(EMAIL, directory(JOHN)))) == (None, "proven")


@pytest.mark.parametrize("place", ["name", "arn"])
def test_a_step_of_a_portal_user_is_known_by_its_user_id(place: str) -> None:
    fields = {"name": JOHN_ID} if place == "name" else {"name": EMAIL, "arn": f"arn:aws:identitystore:::user/{JOHN_ID}"}
    found = person(EMAIL, directory(JOHN, OLD_JOHN))
    hop = step("identity_center_user", fields["name"], arn=fields.get("arn"))
    assert told(belongs(session(chain=(hop,)), found)) == (JOHN_ID, "proven")


def test_a_session_of_an_earlier_iam_user_of_the_same_name_is_a_claim() -> None:
    match = belongs(key_session(name="john", unique=unique_id("johnbefore")), person(EMAIL, directory(TAGGED)))
    assert told(match) == (None, "claimed")
    assert match is not None
    assert unique_id("johnbefore") in match.note


def test_saml_sessions_go_to_the_subject() -> None:
    visit = session(method="saml", identifiers=(identifier("saml_subject", EMAIL),))
    assert told(belongs(visit, person(EMAIL, directory(), sessions=(visit,)))) == (EMAIL, "proven")


def test_sessions_of_others_are_not_theirs() -> None:
    found = person(EMAIL, directory(JOHN, TAGGED, JANE))
    others = [
        portal_session(1, name="jane", user_id=JANE_ID),
        key_session(2, name="john", account=DEV),
        session(3, identifiers=(identifier("session_name", "john", "claimed"),)),
        session(4),
        session(5, identifiers=(identifier("source_identity", "john@other.com"),)),
    ]
    assert matches(others, found) == ()


def test_matches_are_the_latest_first() -> None:
    visits = [portal_session(number, name=EMAIL, last_seen=JOHN_TIMES[number]) for number in range(3)]
    shown = [match.session.session_id for match in matches(visits, person(EMAIL, directory(JOHN)))]
    assert shown == [visits[number].session_id for number in (1, 2, 0)]


JOHN_TIMES = [session().last_seen.replace(hour=hour) for hour in (0, 2, 1)]


def test_what_to_ask_the_records_for() -> None:
    asked = set(identifiers_of(person(EMAIL, directory(JOHN, TAGGED))))
    assert {
        ("email", EMAIL),
        ("session_name", EMAIL),
        ("source_identity", EMAIL),
        ("saml_subject", EMAIL),
        ("federated_user", EMAIL),
        ("identity_center_user", JOHN_ID),
        ("iam_user", arn_of("john")),
        ("principal_id", unique_id("john")),
    } <= asked
    assert ("session_name", "john") not in asked


def test_an_id_that_nobody_has_is_asked_for_all_the_same() -> None:
    assert ("principal_id", unique_id("ghost")) in identifiers_of(person(unique_id("ghost"), directory()))
    assert ("iam_user", arn_of("ghost")) in identifiers_of(person(arn_of("ghost"), directory()))


def test_whose_an_iam_user_is() -> None:
    known = directory(
        TAGGED,
        iam_user("bot", tags={"owner": EMAIL}),
        iam_user("both", tags={"email": EMAIL, "mail": "jane@company.com"}),
        iam_user("told"),
        iam_user("denied", tags={"email": EMAIL}),
    )
    said = [alias("jane@company.com", "iam_user_name", "told"), alias(EMAIL, "iam_user", arn_of("denied"), denies=True)]
    assert owners(known, said) == {arn_of("john"): EMAIL, arn_of("told"): "jane@company.com"}


# --- Order


_WORLD: tuple[Session, ...] = (
    portal_session(1, name=EMAIL, user_id=JOHN_ID),
    portal_session(2, name=EMAIL, user_id=OLD_JOHN_ID),
    portal_session(3, name=EMAIL),
    key_session(4, name="john"),
    key_session(5, name=EMAIL, account=DEV),
    session(6, identifiers=(identifier("saml_subject", EMAIL),), method="saml"),
    session(7, identifiers=(identifier("session_name", EMAIL, "claimed"),)),
    session(8, chain=(step("role_session", "hop"), step("iam_user", "john", arn=arn_of("john")))),
)
_SAID = (
    alias(EMAIL, "email", "jm@company.com"),
    alias("jm@company.com", "iam_user_name", "jm"),
    alias(EMAIL, "iam_user", arn_of(EMAIL, DEV), denies=True),
)


@given(st.permutations(_WORLD), st.permutations(_SAID), st.permutations([JOHN, OLD_JOHN, TAGGED, iam_user("jm")]))
def test_order_changes_nothing(visits: list[Session], said: list[Any], users: list[Any]) -> None:
    usual = person(EMAIL, directory(JOHN, OLD_JOHN, TAGGED, iam_user("jm")), _SAID, sessions=_WORLD)
    found = person(EMAIL, directory(*users), said, sessions=visits)
    assert found == usual
    assert matches(visits, found) == matches(_WORLD, usual)


@given(st.sampled_from(["john", EMAIL, arn_of("john"), JOHN_ID, "nobody", "x@y.zz"]), st.permutations(_SAID))
def test_what_belongs_is_asked_for(asked: str, said: list[Any]) -> None:
    """Whatever a person is given, one of the identifiers that the records are asked for is in it."""
    found = person(asked, directory(JOHN, OLD_JOHN, TAGGED), said, sessions=_WORLD)
    asked_for = {(kind, value.casefold()) for kind, value in identifiers_of(found)}
    for match in matches(_WORLD, found):
        own = {(each.kind, each.value.casefold()) for each in match.session.identifiers}
        assert own & asked_for or match.through

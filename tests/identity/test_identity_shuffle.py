"""However the same records arrive — shuffled, repeated, split over files, late — the sessions are the same."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_kit import (
    BEHALF,
    DEVELOPMENT,
    PRODUCTION,
    SECURITY,
    SSO_PATH,
    Record,
    across,
    assume,
    call,
    key,
    made,
    role_session,
    service,
    user,
)

from trailwarden.model.session import Session
from trailwarden.sessions import (
    ISSUING_EVENTS,
    Group,
    group_of,
    issuance_of,
    link_sessions,
    merge,
    placed,
    session_of,
    use_of,
    with_chain,
)

ACCOUNTS = (PRODUCTION, SECURITY, DEVELOPMENT)
RESERVED = "AWSReservedSSO_PowerUser_0123456789abcdef"
STEPS = ("call", "assume", "token", "login", "portal", "service", "failure")


@st.composite
def worlds(draw: st.DrawFn) -> list[Record]:
    """Records of a few users, of the sessions that they and services open, and of what is done with them.

    Times are few, so that many things happen in one second; a record may be missing from what was collected.
    """
    credentials: list[Record] = [
        user("bob", key("bob", "AKIA"), account=PRODUCTION),
        user("eve", key("eve", "AKIA"), account=SECURITY),
    ]
    records: list[Record] = []
    for number in range(draw(st.integers(1, 14))):
        what = draw(st.sampled_from(STEPS))
        who = credentials[draw(st.integers(0, len(credentials) - 1))]
        seconds, issued = draw(st.integers(0, 6)), key(f"k{number}")
        account, role = draw(st.sampled_from(ACCOUNTS)), draw(st.sampled_from(("Admin", "Deploy")))
        name, ip = draw(st.sampled_from(("x", "y"))), f"192.0.2.{draw(st.integers(1, 3))}"
        more: Record = {"seconds": seconds, "ip": ip}
        match what:
            case "call" | "failure":
                error: Record = {"errorCode": "AccessDenied"} if what == "failure" else {}
                records.append(call(who, account=who["accountId"], **more, **error))
            case "assume":
                opened = role_session(role, name, created=seconds, access_key=issued, account=account)
                if account == who["accountId"]:
                    records.append(assume(who, role, name, seconds=seconds, access_key=issued, account=account))
                else:
                    records += across(
                        who, role, name, seconds=seconds, access_key=issued, account=account, shared=f"s{number}"
                    )
                credentials.append(opened)
            case "token":
                token = user("bob", issued, **made(seconds))
                answer: Record = {"credentials": {"accessKeyId": issued}}
                records.append(call(credentials[0], "GetSessionToken", source="sts", responseElements=answer, **more))
                credentials.append(token)
            case "login":
                answer = {"ConsoleLogin": "Success"}
                records.append(call(user("bob"), "ConsoleLogin", source="signin", responseElements=answer, **more))
                credentials.append(user("bob", issued, **made(seconds)))
            case "portal":
                inside = role_session(RESERVED, "jane@company.com", created=seconds, access_key=issued, path=SSO_PATH)
                credentials += [inside, inside | BEHALF]
            case "service":
                records.append(assume(service("ec2"), role, "i-0abc1234def567890", seconds=seconds, access_key=issued))
                credentials.append(
                    role_session(
                        role, "i-0abc1234def567890", created=seconds + draw(st.integers(0, 1)), access_key=issued
                    )
                )
    missing = draw(st.sets(st.integers(0, len(records)), max_size=2))
    return [record | {"eventID": f"e{number:03d}"} for number, record in enumerate(records) if number not in missing]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Record], list[Record], list[int]]:
    """A world's records, the same in another order and partly twice, and where to cut them into files."""
    records = draw(worlds())
    again = [record for record in records if draw(st.booleans())]
    shuffled = draw(st.permutations([*records, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    return records, shuffled, cuts


def files_of(records: list[Record], cuts: list[int]) -> list[list[Record]]:
    """The records, without repeats, as the files that they came in."""
    seen: set[str] = set()
    files: list[list[Record]] = [[] for _ in range(len(cuts) + 1)]
    for place, record in enumerate(records):
        if record["eventID"] not in seen:
            seen.add(record["eventID"])
            files[sum(cut <= place for cut in cuts)].append(record)
    return files


def stored(value: Any, kind: Any) -> Any:
    """What a store reads back."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def in_steps(files: list[list[Record]]) -> set[Session]:
    """The sessions as a store makes them: groups and issuances kept for each file, put together when asked."""
    kept: list[list[Group]] = []
    issuances = []
    for file in files:
        pieces: dict[str, list[Group]] = {}
        for record in file:
            group = group_of(use_of(record))
            pieces.setdefault(group.key, []).append(group)
            if (record["eventSource"], record["eventName"]) in ISSUING_EVENTS:
                issuance = issuance_of(record)
                issuances += [issuance] if issuance is not None else []
        kept.append(stored([merge(parts) for parts in pieces.values()], list[Group]))
    by_key: dict[str, Group] = {}
    for groups in kept:
        for group in groups:
            by_key[group.key] = merge([by_key[group.key], group]) if group.key in by_key else group

    def find(session_id: str) -> Session | None:
        asked = next((group for group in by_key.values() if group.session_id == session_id), None)
        if asked is None:
            return None
        near = [group for group in by_key.values() if group is asked or set(group.shared_ids) & set(asked.shared_ids)]
        mine = [group for group in placed(near) if group.session_id == session_id]
        if not mine:
            return None
        return session_of(mine[0], [one for one in issuances if set(one.tokens) & set(mine[0].tokens)])

    found = [find(group.session_id) for group in by_key.values()]
    return {with_chain(session, find) for session in found if session is not None}


@given(arrivals())
@settings(max_examples=150)
def test_order_repeats_and_files_change_nothing(arrival: tuple[list[Record], list[Record], list[int]]) -> None:
    records, shuffled, cuts = arrival
    expected = link_sessions(records)
    assert link_sessions(shuffled) == expected
    assert in_steps(files_of(shuffled, cuts)) == set(expected)


@given(arrivals())
def test_pieces_merge_in_any_grouping(arrival: tuple[list[Record], list[Record], list[int]]) -> None:
    records, _, cuts = arrival
    pieces: dict[str, list[Group]] = {}
    for record in records:
        group = group_of(use_of(record))
        pieces.setdefault(group.key, []).append(group)
    for parts in pieces.values():
        cut = cuts[0] % len(parts) if cuts else 0
        left, right = parts[:cut], parts[cut:]
        whole = merge(parts)
        assert merge(reversed(parts)) == whole
        assert merge([merge(right), *([merge(left)] if left else [])]) == whole
        assert whole.calls == len(parts) - len([c for p in parts for c in p.shared]) + len(whole.shared_ids)


@given(worlds(), st.data())
def test_a_session_is_the_same_one_before_and_after_its_issuer_arrives(
    records: list[Record], data: st.DataObject
) -> None:
    late = {record["eventID"] for record in records if issuance_of(record) is not None and data.draw(st.booleans())}
    early = link_sessions([record for record in records if record["eventID"] not in late])
    after = {session.session_id: session for session in link_sessions(records)}
    for session in early:
        outside = session.chain[:1] and session.chain[0].kind == "external_principal" and session.method == "unknown"
        assert outside or session.session_id in after
        if not outside and session.issuer is not None and session.strength == "proven":
            assert after[session.session_id].issuer is not None


def holding(*names: str) -> st.SearchStrategy[Any]:
    """Objects with some of these members, and what nobody expects in them."""
    return st.one_of(ODD, st.dictionaries(st.sampled_from(names), ODD, max_size=len(names)))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.just([]), st.just({}), st.just("0001-01-01"),
    st.sampled_from(("Role", "Failure", "AROAEXAMPLE:x", "arn:aws:sts::1:assumed-role/A", "arn:", "2026-11-23")),
)  # fmt: skip
CONTEXTS = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {},
        optional={
            "attributes": holding("creationDate", "mfaAuthenticated"),
            "sessionIssuer": holding("type", "arn", "userName", "accountId"),
            "webIdFederationData": holding("federatedProvider", "attributes"),
            "sourceIdentity": ODD,
            "ec2RoleDelivery": ODD,
            "assumedRoot": ODD,
            "signInSessionArn": ODD,
        },
    ),
)
TYPES = st.sampled_from(
    ("AssumedRole", "IAMUser", "Root", "FederatedUser", "SAMLUser", "WebIdentityUser", "AWSService", "AWSAccount",
     "IdentityCenterUser", "Unknown", "Directory", "", None, 1),
)  # fmt: skip
IDENTITIES = st.one_of(
    ODD,
    st.fixed_dictionaries(
        {"type": TYPES},
        optional={
            "sessionContext": CONTEXTS,
            "onBehalfOf": holding("userId", "identityStoreArn"),
            "inScopeOf": holding("issuerType", "credentialsIssuedTo"),
            **dict.fromkeys(("arn", "principalId", "accountId", "accessKeyId", "userName", "invokedBy"), ODD),
        },
    ),
)
PARAMETERS = holding("credentials", "assumedRoleUser", "federatedUser", "tags", "principalTags", "subject", "roleArn")


@given(IDENTITIES, st.sampled_from(sorted(ISSUING_EVENTS)), PARAMETERS, PARAMETERS, ODD)
@settings(max_examples=300)
def test_no_record_is_too_odd(identity: Any, event: tuple[str, str], request: Any, response: Any, other: Any) -> None:
    record = call(identity, event[1], requestParameters=request, responseElements=response, additionalEventData=other)
    record |= {"eventSource": event[0], "eventTime": other, "sharedEventID": other, "errorCode": None}
    sessions = link_sessions([record, record | {"eventID": other}])
    assert sum(session.events for session in sessions) in (1, 2)
    assert all(session.reason for session in sessions)
    assert stored(sessions, tuple[Session, ...]) == sessions


@given(worlds())
def test_every_call_is_counted_once(records: list[Record]) -> None:
    shared = [record["sharedEventID"] for record in records if "sharedEventID" in record]
    assert sum(session.events for session in link_sessions(records)) == len(records) - len(shared) + len(set(shared))


@given(worlds())
def test_proof_is_claimed_only_where_a_record_shows_it(records: list[Record]) -> None:
    ids = {record["eventID"] for record in records}
    for session in link_sessions(records):
        assert session.reason
        for step in session.chain:
            assert step.event_id in ids or step.by == "SourceIdentity"
        assert session.strength == ("claimed" if any(step.link == "claimed" for step in session.chain) else "proven")
        if session.issuer is not None:
            assert session.issuer.event_id in ids

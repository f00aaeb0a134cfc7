"""Which attribute is looked up for a filter, and what is said about it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from trailwarden.aws.pushdown import MOST_LOOKUPS, api_names, known_spellings, pushdown
from trailwarden.lake.ingest import land
from trailwarden.lake.store import Lake
from trailwarden.model.event import EventFilter

KEY = "AKIAIOSFODNN7EXAMPLE"
ALICE = "arn:aws:iam::111111111111:user/people/alice"
SESSION = "arn:aws:sts::111111111111:assumed-role/Admin/bob@example.com"


def spellings(name: str) -> tuple[str, ...]:
    return api_names().get(name.lower(), ())


@pytest.mark.parametrize(
    ("where", "attributes"),
    [
        ({"access_key": (KEY,)}, [("AccessKeyId", KEY)]),
        ({"access_key": (KEY, "ASIAEXAMPLE")}, [("AccessKeyId", KEY), ("AccessKeyId", "ASIAEXAMPLE")]),
        ({"access_key": ("AKIA*",)}, []),
        ({"arn": (ALICE,)}, [("Username", "alice")]),
        ({"arn": (SESSION,)}, [("Username", "bob@example.com")]),
        ({"arn": ("arn:aws:iam::111111111111:root",)}, []),
        ({"arn": (ALICE, "arn:aws:iam::111111111111:root")}, []),
        ({"arn": ("arn:aws:sts::111111111111:assumed-role/Admin/*",)}, []),
        ({"user": ("alice",)}, [("Username", "alice")]),
        ({"user": ("ROOT",)}, [("Username", "root")]),
        ({"user": ("alice*",)}, []),
        ({"user": (ALICE,)}, [("Username", "alice")]),
        ({"user": ("alice", "arn:aws:iam::111111111111:root")}, []),
        ({"session": ("i-0123456789abcdef0",)}, [("Username", "i-0123456789abcdef0")]),
        ({"event": ("createuser",)}, [("EventName", "CreateUser")]),
        ({"event": ("iam:createUSER",)}, [("EventName", "CreateUser")]),
        ({"event": ("consolelogin",)}, [("EventName", "ConsoleLogin")]),
        ({"event": ("createdbinstance",)}, [("EventName", "CreateDBInstance"), ("EventName", "CreateDbInstance")]),
        ({"event": ("CreateFunction20150331",)}, [("EventName", "CreateFunction20150331")]),
        ({"event": ("createfunction20150331",)}, []),
        ({"event": ("s3:*",)}, [("EventSource", "s3.amazonaws.com")]),
        ({"event": ("s3:Put*", "CreateUser")}, [("EventSource", "s3.amazonaws.com"), ("EventName", "CreateUser")]),
        ({"event": ("Create*",)}, []),
        ({"event": ("CreateUser", "Create*")}, []),
        (
            {"source": ("IAM", "signin.amazonaws.com")},
            [("EventSource", f"{s}.amazonaws.com") for s in ("iam", "signin")],
        ),
        ({"source": ("*",)}, []),
        ({"resource": ("my-bucket",)}, [("ResourceName", "my-bucket")]),
        ({"resource": ("arn:aws:s3:::b",)}, [("ResourceName", "arn:aws:s3:::b"), ("ResourceName", "b")]),
        ({"read_only": False}, [("ReadOnly", "false")]),
        ({"read_only": True}, [("ReadOnly", "true")]),
        ({"ip": ("203.0.113.9",), "error": ("AccessDenied",), "role": ("Admin",), "text": (KEY,), "denied": True}, []),
        ({}, []),
        ({"exclude": EventFilter(user=("alice",), read_only=True)}, []),
        # the most selective first
        ({"access_key": (KEY,), "user": ("alice",), "event": ("CreateUser",)}, [("AccessKeyId", KEY)]),
        ({"user": ("alice",), "event": ("CreateUser",)}, [("EventName", "CreateUser")]),
        ({"user": ("alice",), "event": ("Decrypt",)}, [("Username", "alice")]),
        ({"user": ("alice",), "source": ("s3",), "read_only": False}, [("Username", "alice")]),
        ({"user": ("*alice*",), "event": ("Decrypt",)}, [("EventName", "Decrypt")]),
        ({"source": ("s3",), "read_only": False}, [("EventSource", "s3.amazonaws.com")]),
        # too many, too long
        ({"access_key": tuple(f"AKIA{n}" for n in range(MOST_LOOKUPS + 1)), "read_only": True}, [("ReadOnly", "true")]),
        ({"resource": ("x" * 1001,)}, []),
        ({"resource": ("",)}, []),
    ],
)
def test_the_attribute_that_is_looked_up(where: dict[str, Any], attributes: list[tuple[str, str]]) -> None:
    assert list(pushdown(EventFilter(**where), spellings=spellings).attributes) == attributes


@pytest.mark.parametrize(
    ("where", "said", "exhaustive"),
    [
        ({"user": ("alice",)}, "SourceIdentity", ()),
        ({"session": ("s",)}, "capitals", ()),
        ({"resource": ("b",)}, "no resources", ()),
        ({"user": ("alice",), "event": ("Decrypt",)}, "SourceIdentity", (("EventName", "Decrypt"),)),
    ],
)
def test_what_may_miss_an_event_is_said_and_can_be_turned_off(
    where: dict[str, Any], said: str, exhaustive: tuple[tuple[str, str], ...]
) -> None:
    (note,) = pushdown(EventFilter(**where), spellings=spellings).notes
    assert said in note
    whole = pushdown(EventFilter(**where), spellings=spellings, exhaustive=True)
    assert whole.attributes == exhaustive
    assert whole.notes == ()


@pytest.mark.parametrize(
    "where",
    [{"access_key": (KEY,)}, {"arn": (ALICE,)}, {"user": (ALICE,)}, {"event": ("iam:*",)}, {"source": ("iam",)}],
)
def test_what_is_safe_is_pushed_down_without_a_word(where: dict[str, Any]) -> None:
    asked = pushdown(EventFilter(**where), spellings=spellings, exhaustive=True)
    assert asked.attributes
    assert asked.notes == ()


def test_long_values_are_cut_in_the_note() -> None:
    (note,) = pushdown(EventFilter(user=("x" * 900,)), spellings=spellings).notes
    assert len(note) < 400


def test_spellings_of_the_lake_count_beside_those_of_botocore(lake: Lake, org: Any) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    made = org.put("111111111111", "us-east-1", 1, event="CreateFunction20150331")
    made += org.put("111111111111", "us-east-1", 1, event="createuser")
    land(lake, [msgspec.json.encode(r) for r in made], source="files", location="here", now=now)
    known = known_spellings(lake)
    assert known("CREATEFUNCTION20150331") == ("CreateFunction20150331",)
    assert known("CreateUser") == ("CreateUser", "createuser")
    assert known("NoSuchEvent") == ()

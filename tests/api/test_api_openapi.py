"""The OpenAPI document, and the API held against it: every bound and what lies beyond it, and random requests."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import hypothesis
import pytest
import schemathesis
from api_kit import Api
from schemathesis.specs.openapi.checks import positive_data_acceptance

from trailwarden.faces.openapi import document
from trailwarden.faces.schema import offers

DOCUMENT = document(offers())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
#: Of the requests that the document allows, every so many-th of a tool is sent: the work of some takes seconds.
EVERY = {
    "accounts_doctor": 16,
    "actions_propose": 15,
    "actions_suggest": 20,
    "ask": 6,
    "auth_model": 6,
    "correlate_host": 8,
    "correlate_recent": 30,
    "hunt": 16,
    "iam_can": 12,
    "iam_changes": 8,
    "iam_role": 5,
    "iam_scan": 12,
    "iam_who_can": 8,
    "identity": 12,
    "search": 20,
    "sessions_list": 12,
}
#: Where the document allows what is refused, and why it cannot say so.
ALLOWED = {
    "actions_cancel": "a proposal is cancelled once",
    "actions_propose": "arg has the fields of the action that name names",
    "actions_undo": "only what was carried out can be undone",
    "hunt": "one subject at most may be given, and one that there is",
    "iam_can": "action, on or both have to be given, which a query cannot say",
}
_COUNTS: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)


@pytest.fixture(scope="module")
def known(api: Api) -> Mapping[str, str]:
    """Names that there are, times and a question, by the parameter that takes them."""
    story = api.up.story
    proposal = {
        "name": "disable_user",
        "arg": [f"user={story.iam_user}"],
        "account": story.account_id,
        "reason": "to be read and watched",
    }
    filed = api.post("actions_propose", proposal, who="responder")
    assert filed.status_code == 200, filed.text
    return {
        "account": api.up.scenario.production.id,
        "accounts": api.up.scenario.production.id,
        "action": "iam:CreateUser",
        "from": "48h",
        "id": filed.json()["id"],
        "last": "24h",
        "name": story.admin_role_arn,
        "person": story.email,
        "principal": story.iam_user_arn,
        "question": f"what did {story.email} do in the last 30 days",
        "to": "1h",
        "who": story.email,
    }


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=2, derandomize=True, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_the_api_is_what_its_document_says(case: schemathesis.Case[Any], api: Api, known: Mapping[str, str]) -> None:
    tool = case.operation.path.rsplit("/", 1)[-1]
    if case.meta is not None and case.meta.generation.mode.is_positive:
        if next(_COUNTS[tool]) % EVERY.get(tool, 1):
            return
        if tool not in ALLOWED:
            case.query = alone(existing(case.query, known))
            case.body = existing(case.body, known)
    case.call_and_validate(
        base_url=api.url,
        headers={"Authorization": f"Bearer {api.tokens['responder']}"},
        timeout=120,
        excluded_checks=[positive_data_acceptance] if tool in ALLOWED else [],
    )


def existing(given: Any, known: Mapping[str, str]) -> Any:
    """A request in which made-up names, times and words are such as there are; only an answer has a cursor."""
    if not isinstance(given, dict):
        return given
    return {name: _existing(value, known.get(name), known) for name, value in given.items() if name != "cursor"}


def _existing(value: Any, instead: str | None, known: Mapping[str, str]) -> Any:
    if isinstance(value, list) and instead is not None:
        return [instead for _ in value]
    return instead if isinstance(value, str) and instead is not None else existing(value, known)


def alone(query: dict[str, Any]) -> dict[str, Any]:
    """A query without what another of its parameters excludes: OpenAPI has no words for that."""
    without = ("from", "to") if "last" in query else ()
    return {name: value for name, value in query.items() if name not in without}

"""Whatever a run raises has words and a remedy of its own."""

import inspect

import pytest
from pydantic_ai import exceptions
from pydantic_ai.exceptions import AgentRunError, RunCancelled

from trailwarden.agent.failures import FAILURES, failure_of

#: Kinds that pydantic-ai raises; a run that it cancels by itself is none that is asked for here.
KINDS = [
    kind
    for name, kind in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(kind, AgentRunError) and not issubclass(kind, RunCancelled) and not name.startswith("_")
]
#: What is only raised by what is not used here: queues, and runs that others suspend.
GENERAL = {"AgentRunError", "SuspendedResponseExpired", "ConcurrencyLimitExceeded"}


def said(kind: type[AgentRunError]) -> str:
    return failure_of(kind.__new__(kind))[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_a_row(kind: type[AgentRunError]) -> None:
    assert (said(kind) == FAILURES[-1][1]) is (kind.__name__ in GENERAL)


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row[0].__name__)
def test_no_row_is_hidden_by_one_before(row: tuple[type[AgentRunError], str, str]) -> None:
    kind, words, remedy = row
    assert said(kind) == words
    assert remedy

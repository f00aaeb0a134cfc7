"""What is asked to be done in plain words, resolved to targets and filed."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import NotFound, TrailwardenError, UsageError
from ..identity import person
from ..installation import Installation
from ._directory import directory_of
from ._respond import ProposalCard, propose

if TYPE_CHECKING:
    from ..ask import Request, Requests


class RefusedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A clause that was not proposed, and why."""

    clause: str
    why: str
    remedy: str


class ProposedActions(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request: a proposal for each clause, or why not. ``commands`` propose the same."""

    proposals: tuple[ProposalCard, ...]
    refused: tuple[RefusedRequest, ...]
    commands: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 where a clause was refused."""
        return 1 if self.refused else 0


def file_requests(app: Installation, question: str, requests: "Requests") -> ProposedActions:
    """Propose each clause.

    Raises:
        TrailwardenError: no clause can be proposed; the error of the first.
    """
    proposals: list[ProposalCard] = []
    refused: list[RefusedRequest] = []
    commands: list[str] = []
    errors: list[TrailwardenError] = []
    reason = requests.reason or f"asked for: {question.strip()}"
    for each in requests.requests:
        try:
            arguments, account = _resolved(app, each)
            commands.append(_command(each.action, arguments, account, reason))
            proposals.append(
                propose(app, each.action, arguments, reason=reason[:2000], account=account, owner=each.owner)
            )
        except TrailwardenError as error:
            errors.append(error)
            refused.append(RefusedRequest(clause=each.clause, why=error.message, remedy=error.remedy))
    if not proposals:
        raise errors[0]
    return ProposedActions(proposals=tuple(proposals), refused=tuple(refused), commands=tuple(commands))


def _resolved(app: Installation, request: "Request") -> tuple[Mapping[str, Any], str | None]:
    """The arguments with a person's address as the ARN of their IAM user, and the account that it is in.

    Raises:
        NotFound: the person has no IAM user.
        UsageError: they have several.
    """
    said = request.arguments.get(request.person or "")
    if said is None or "@" not in said or said.startswith("arn:"):
        return request.arguments, request.account
    found = person(said, directory_of(app), app.state.aliases.list())
    users = [each.id for each in found.identities if each.kind == "iam_user"]
    inside = [each for each in users if request.account in (None, each.split(":")[4])]
    if not inside:
        raise NotFound(
            f"{said} has no IAM user that is known here",
            remedy=f"`trailwarden identity {said}` shows what they have; a session is ended with revoke_sessions",
        )
    if len(inside) > 1:
        raise UsageError(f"{said} has several IAM users: {', '.join(inside)}", remedy="name one by its ARN")
    return {**request.arguments, str(request.person): inside[0]}, inside[0].split(":")[4]


def _command(action: str, arguments: Mapping[str, Any], account: str | None, reason: str) -> str:
    words = ["trailwarden", "actions", "propose", action]
    for name, value in arguments.items():
        text = (
            ",".join(value) if isinstance(value, list | tuple) else str(value).lower() if value is True else str(value)
        )
        words += ["--arg", f"{name}={text}"]
    words += ["--account", account] if account else []
    return shlex.join([*words, "--reason", reason])

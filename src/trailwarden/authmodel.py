"""How an account is entered: the authentication method that a record shows."""

from collections.abc import Mapping
from typing import Any

from .authreport import AuthModel, auth_model
from .model.session import AuthMethod
from .sessions.groups import group_of
from .sessions.issuances import issuance_of, joined
from .sessions.methods import method_of
from .sessions.uses import use_of

__all__ = ["AuthModel", "auth_model", "classify"]


def classify(record: Mapping[str, Any]) -> tuple[AuthMethod, str]:
    """The authentication method of the credentials that made a call, as one record alone tells it, and why.

    A session linked to what issued it (``link_sessions``) often tells more: a single record of a role
    session seldom says who assumed the role.
    """
    group = group_of(use_of(record))
    issuance = issuance_of(record)
    verdict = method_of(group, joined(group, () if issuance is None else (issuance,)))
    return verdict.method, verdict.reason

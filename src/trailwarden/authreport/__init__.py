"""How accounts are entered: what the records show, beside what AWS is configured for.

Absence in the records is not disuse: they may hold a part of the time, of the accounts or of the Regions
only. Something is said to be unused or unknown only where both sides are at hand: the account's records,
and that part of its directory.
"""

from .report import auth_model
from .seen import event_ids, permission_set_of
from .values import (
    AuthModel,
    Configured,
    ConfiguredIamUsers,
    ConfiguredInstance,
    ConfiguredPermissionSet,
    ConfiguredProvider,
    ConfiguredRoot,
    MethodUse,
    MfaShare,
    ProviderUse,
    Unmatched,
    UnmatchedKind,
)
from .words import METHOD_WORDS

__all__ = [
    "METHOD_WORDS",
    "AuthModel",
    "Configured",
    "ConfiguredIamUsers",
    "ConfiguredInstance",
    "ConfiguredPermissionSet",
    "ConfiguredProvider",
    "ConfiguredRoot",
    "MethodUse",
    "MfaShare",
    "ProviderUse",
    "Unmatched",
    "UnmatchedKind",
    "auth_model",
    "event_ids",
    "permission_set_of",
]

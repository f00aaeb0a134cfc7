"""Sessions: which credentials made which calls, what issued them, and who stands behind them. Pure.

:func:`link_sessions` does it all in memory. A store of records does the same in steps, so that no question
reads every record:

1. for each file, one :class:`Use` per userIdentity and account (kept apart by event source where
   :func:`needs_source` says so), and :func:`group_of` of each; :func:`issuance_of` of each record whose
   source and name are in :data:`ISSUING_EVENTS`;
2. :func:`merge` the pieces of a group by their key, from all files;
3. :func:`placed`, with the groups that have one of its ``shared_ids``;
4. :func:`session_of`, with the issuances that have one of its ``tokens``;
5. :func:`with_chain`, with a function that does steps 2 to 4 for the session of an id.

Nothing depends on the order of files or records, and a later file may hold what issued an earlier session.
"""

from .build import session_of
from .chains import with_chain
from .groups import Group, group_of, merge, placed, session_id_of
from .issuances import ISSUING_EVENTS, Issuance, issuance_of
from .link import as_record, link_sessions, sessions_of
from .uses import SharedCall, Use, needs_source, use_of

__all__ = [
    "ISSUING_EVENTS",
    "Group",
    "Issuance",
    "SharedCall",
    "Use",
    "as_record",
    "group_of",
    "issuance_of",
    "link_sessions",
    "merge",
    "needs_source",
    "placed",
    "session_id_of",
    "session_of",
    "sessions_of",
    "use_of",
    "with_chain",
]

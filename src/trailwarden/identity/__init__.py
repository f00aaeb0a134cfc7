"""Who is asked for, and which sessions are theirs.

A person is found from any of their names: an email, an IAM user's ARN, name or unique id, an Identity Center
userId, a SAML subject. Names are linked by the directory (identity stores, IAM user tags), by what one
record or session says of its own principal, and by the alias list that the installation's keepers review.

What does not link: a part of a name (``john`` and ``john@company.com``), a name that a caller chose, a
SourceIdentity, a tag that says who is responsible for a user (only a claim), an address that several people
of an identity store share. Two people of one address stay two identities.
"""

from .belonging import belongs, identifiers_of, matches
from .growth import person
from .users import EMAIL_TAGS, OWNER_TAGS, addresses, owners
from .values import (
    ID_KINDS,
    AliasOf,
    AliasSource,
    Identity,
    Match,
    Person,
    fold,
    is_workload_subject,
    kind_of,
    only_claimed,
)

__all__ = [
    "EMAIL_TAGS",
    "ID_KINDS",
    "OWNER_TAGS",
    "AliasOf",
    "AliasSource",
    "Identity",
    "Match",
    "Person",
    "addresses",
    "belongs",
    "fold",
    "identifiers_of",
    "is_workload_subject",
    "kind_of",
    "matches",
    "only_claimed",
    "owners",
    "person",
]

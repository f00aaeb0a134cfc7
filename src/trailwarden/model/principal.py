"""Who made a call: the principal of a CloudTrail record."""

import msgspec


class Principal(msgspec.Struct, frozen=True):
    """The identity in ``userIdentity``.

    ``type`` is CloudTrail's (IAMUser, AssumedRole, Root, AWSService, IdentityCenterUser, …). ``name`` is
    the user's name, the role's for a role session, the service for an AWS service; None if the record has
    none. ``id`` is the unique principalId.
    """

    type: str | None = None
    arn: str | None = None
    name: str | None = None
    account: str | None = None
    id: str | None = None

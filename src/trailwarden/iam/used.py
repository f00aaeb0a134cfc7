"""Which IAM action a recorded call was authorised by.

CloudTrail names operations, IAM names actions: mostly alike, but not always. Names that neither the table below nor
the catalogue knows give no action, so that nothing is claimed of them. Sources: the service authorization reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/), "API operations for this action" of each service.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from .catalog import canonical, catalog

#: ``eventSource`` without its domain -> IAM prefix, where they differ.
PREFIXES: Mapping[str, str] = {
    "monitoring": "cloudwatch",
    "email": "ses",
    "tagging": "tag",
    "cloudcontrolapi": "cloudformation",
}
#: (prefix, operation) -> action, where they differ.
ACTIONS: Mapping[tuple[str, str], str] = {
    ("s3", "ListObjects"): "s3:ListBucket",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("s3", "CopyObject"): "s3:PutObject",
    ("s3", "CompleteMultipartUpload"): "s3:PutObject",
    ("s3", "CreateMultipartUpload"): "s3:PutObject",
    ("s3", "UploadPart"): "s3:PutObject",
    ("s3", "DeleteObjects"): "s3:DeleteObject",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "PutBucketEncryption"): "s3:PutEncryptionConfiguration",
    ("s3", "GetBucketLifecycle"): "s3:GetLifecycleConfiguration",
    ("s3", "GetBucketReplication"): "s3:GetReplicationConfiguration",
    ("s3", "GetAccountPublicAccessBlock"): "s3:GetAccountPublicAccessBlock",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3", "PutPublicAccessBlock"): "s3:PutBucketPublicAccessBlock",
    ("lambda", "Invoke"): "lambda:InvokeFunction",
    ("dynamodb", "BatchExecuteStatement"): "dynamodb:PartiQLSelect",
    ("dynamodb", "ExecuteStatement"): "dynamodb:PartiQLSelect",
    ("execute-api", "Invoke"): "execute-api:Invoke",
}
_VERSION = re.compile(r"(?:\d{4}_?\d{2}_?\d{2}|V2_\d+)(?:v\d+)?$")


@lru_cache(maxsize=16_384)
def action_of(event_source: str, event_name: str) -> str | None:
    """The IAM action (``s3:ListBucket``) of a call (``s3.amazonaws.com``, ``ListObjects``); None if not known.

    Lambda and CloudFront put the version of their API behind the name (``GetFunction20150331v2``).
    """
    source = event_source.removesuffix(".amazonaws.com")
    prefix = PREFIXES.get(source, source)
    operation = _VERSION.sub("", event_name)
    exact = ACTIONS.get((prefix, operation))
    if exact is not None:
        return exact
    action = f"{prefix}:{operation}"
    return canonical(action) if catalog().action(action) is not None else None

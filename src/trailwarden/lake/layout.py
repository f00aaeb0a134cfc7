"""How the lake is laid out on disk, and the one table in it.

::

    <home>/lake/
      manifest.db                     SQLite: which objects were read, which parts hold what, what was quarantined
      events/month=2026-11/*.parquet  the records, as columns

Column names are those of CloudTrail's record reference in snake case:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
Times are UTC without a zone; JSON columns hold the text as recorded.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
#: Rows in a row group of a part.
ROW_GROUP = 20_000
ColumnType = Literal["text", "json", "time", "bool"]


class Column(msgspec.Struct, frozen=True):
    """One column: its name, type, where its value comes from, and how it is stored."""

    name: str
    type: ColumnType
    origin: str
    dictionary: bool = True
    bloom: bool = False


#: The columns of ``events``, in file order. ``origin`` is a path in the record; ``=`` marks a derived value.
COLUMNS: tuple[Column, ...] = (
    Column("event_id", "text", "eventID", dictionary=False, bloom=True),
    Column("event_time", "time", "eventTime"),
    Column("account_id", "text", "= recipientAccountId, else userIdentity.accountId"),
    Column("aws_region", "text", "awsRegion"),
    Column("event_source", "text", "eventSource"),
    Column("event_name", "text", "eventName"),
    Column("event_type", "text", "eventType"),
    Column("event_category", "text", "eventCategory"),
    Column("event_version", "text", "eventVersion"),
    Column("read_only", "bool", "readOnly"),
    Column("management_event", "bool", "managementEvent"),
    Column("error_code", "text", "errorCode"),
    Column("error_message", "text", "errorMessage"),
    Column("source_ip", "text", "sourceIPAddress", bloom=True),
    Column("user_agent", "text", "userAgent"),
    Column("user_type", "text", "= userIdentity.type"),
    Column("principal_id", "text", "= userIdentity.principalId"),
    Column("user_arn", "text", "= userIdentity.arn", bloom=True),
    Column("user_account_id", "text", "= userIdentity.accountId"),
    Column(
        "user_name",
        "text",
        "= userIdentity.userName, else additionalEventData.UserName, else the name of a federated user",
        bloom=True,
    ),
    Column("access_key_id", "text", "= userIdentity.accessKeyId", bloom=True),
    Column("session_name", "text", "= the part of principalId or arn after the role, of a role session", bloom=True),
    Column("role_arn", "text", "= sessionContext.sessionIssuer.arn, if a role"),
    Column("role_name", "text", "= sessionContext.sessionIssuer.userName, else the role in arn"),
    Column("issuer_arn", "text", "= sessionContext.sessionIssuer.arn"),
    Column("issuer_id", "text", "= sessionContext.sessionIssuer.principalId"),
    Column("session_created", "time", "= sessionContext.attributes.creationDate"),
    Column("mfa", "bool", "= sessionContext.attributes.mfaAuthenticated, else additionalEventData.MFAUsed"),
    Column("source_identity", "text", "= sessionContext.sourceIdentity"),
    Column("on_behalf_of", "text", "= onBehalfOf.userId"),
    Column("identity_provider", "text", "= userIdentity.identityProvider"),
    Column("invoked_by", "text", "= userIdentity.invokedBy"),
    Column("request_id", "text", "requestID", dictionary=False),
    Column("shared_event_id", "text", "sharedEventID"),
    Column("recipient_account_id", "text", "recipientAccountId"),
    Column("vpc_endpoint_id", "text", "vpcEndpointId"),
    Column("actor", "text", "= session name, else user name, else role, else arn, else service: the sort key"),
    Column("user_identity", "json", "userIdentity"),
    Column("request_parameters", "json", "requestParameters", dictionary=False),
    Column("response_elements", "json", "responseElements", dictionary=False),
    Column("additional_event_data", "json", "additionalEventData", dictionary=False),
    Column("service_event_details", "json", "serviceEventDetails", dictionary=False),
    Column("resources", "json", "resources", dictionary=False),
    Column("tls_details", "json", "tlsDetails"),
    Column("extra", "json", "= every other key, and every value that its column could not hold", dictionary=False),
)
COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)


def month_folder(lake: Path, month: str) -> Path:
    """Where the parts of a month (``2026-11``) lie."""
    return lake / "events" / f"month={month}"


@cache
def arrow_schema() -> "pa.Schema":
    """The columns as an Arrow schema."""
    import pyarrow as pa  # noqa: PLC0415

    types = {"text": pa.string(), "json": pa.string(), "time": pa.timestamp("us"), "bool": pa.bool_()}
    return pa.schema([pa.field(column.name, types[column.type]) for column in COLUMNS])


@cache
def parquet_options(*, bloom: bool) -> dict[str, Any]:
    """How parts are written, as options of ``pyarrow.parquet.ParquetWriter``; Bloom filters only where worth it.

    A Bloom filter is sized for one row group: of ids every row has another, of the others about one in eight.
    Least and greatest values are kept where they can rule a row group out.
    """
    unpruned = {"request_id", "user_agent", "error_message"}
    filters = {
        column.name: {"ndv": ROW_GROUP if column.name == "event_id" else ROW_GROUP // 8, "fpp": 0.01}
        for column in COLUMNS
        if column.bloom
    }
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [column.name for column in COLUMNS if column.dictionary and column.type in {"text", "json"}],
        "write_statistics": [
            column.name for column in COLUMNS if column.type != "json" and column.name not in unpruned
        ],
        "write_page_index": True,
        "write_batch_size": 4096,
        "store_schema": False,
        "bloom_filter_options": filters if bloom else None,
    }

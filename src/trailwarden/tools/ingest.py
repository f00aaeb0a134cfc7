"""Ingest: records from files, folders and S3 archives into the lake."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from ..errors import AwsError, NotFound, SourceError
from ..installation import Installation
from ..lake.ingest import IngestReport
from ..lake.sources import RecordObject
from ..tool import tool
from ._sessions import session_index

if TYPE_CHECKING:
    from ..aws.broker import AwsSession


@tool(
    effect="setup",
    title="Read CloudTrail records into the lake",
    needs=("s3:ListBucket", "s3:GetObject", "kms:Decrypt"),
    examples=(
        "trailwarden ingest ./logs incident.json.gz",
        "trailwarden ingest s3://acme-trail/AWSLogs --account 111111111111",
    ),
)
def ingest(
    app: Installation,
    sources: Annotated[
        tuple[str, ...],
        Meta(description="Files, folders, s3://bucket/prefix", extra={"argument": True, "metavar": "SOURCE..."}),
    ],
    account: Annotated[
        str | None,
        Meta(description="Connected account through which S3 is read (default: the first that may)"),
    ] = None,
    compact: Annotated[bool, Meta(description="Compact months with many small parts afterwards")] = True,
) -> IngestReport:
    """Read records into the lake. The same object or event twice changes nothing.

    SOURCE is a file (.json, .json.gz, .jsonl, .csv: trail files, a lookup-events dump, exports of raw
    records), a folder of such files, or s3://bucket/prefix of a trail's archive, an organisation's too.
    What cannot be read is quarantined with its reason: trailwarden lake quarantine.

    Raises:
        SourceError: a source does not exist or cannot be listed.
    """
    from ..lake.ingest import ingest as ingest_objects  # noqa: PLC0415

    report = ingest_objects(
        app.lake, _objects(app, sources, account), progress=app.progress, now=app.now(), compact=compact
    )
    if report.new and not report.interrupted:
        with session_index(app):  # up to date with what has just landed, so that no question waits for it
            pass
    return report


def _objects(app: Installation, sources: tuple[str, ...], account: str | None) -> Iterator[RecordObject]:
    from ..lake.sources import local_objects  # noqa: PLC0415

    for source in sources:
        if source.startswith(("s3://", "arn:")):
            from ..aws.archive import s3_objects  # noqa: PLC0415

            yield from s3_objects(_s3_client(app, source, account), source, progress=app.progress)
        elif "://" in source:
            raise SourceError(f"cannot read {source!r}", remedy="give a file, a folder, or s3://bucket/prefix")
        else:
            yield from local_objects(Path(source))


def _s3_client(app: Installation, uri: str, account: str | None) -> Any:
    """A client that may list the bucket: of the named connection, else of the first principal that may."""
    from ..aws.archive import parse_s3_uri  # noqa: PLC0415
    from ..aws.errors import aws_errors  # noqa: PLC0415

    if account is not None:
        return app.broker.client(app.state.connections.get(account, purpose="read"), "s3")
    bucket, prefix = parse_s3_uri(uri)
    refused: list[str] = []
    ways: list[tuple[str, Callable[[], AwsSession]]] = [("this installation's own principal", app.broker.own)]
    ways += [(str(each), partial(app.broker.session, each)) for each in app.state.connections.list(purpose="read")]
    for name, session in ways:
        try:
            client = session().client("s3")
        except AwsError as error:
            refused.append(f"{name}: {error.message}")
            continue
        try:
            with aws_errors("s3:ListBucket"):
                client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except NotFound:
            return client  # who lists the bucket in earnest says it better
        except AwsError as error:
            refused.append(f"{name}: {error.message}")
        else:
            return client
    raise SourceError(
        f"nobody may list s3://{bucket}/{prefix}: " + "; ".join(refused),
        remedy="grant s3:ListBucket and s3:GetObject on it to a connected role, or name the account with --account",
    )

"""Every component in every state, on one page: what pages are made of, and what is looked at when it changes."""

from datetime import timedelta

from starlette.responses import Response

from ....model.finding import Coverage, Evidence, Finding, Gap, Source
from ....model.time import Window
from ..routes import OnPage, Pages

pages = Pages()


@pages.get("/ui", right="read")
def gallery(here: OnPage) -> Response:
    """The gallery."""
    now = here.view.now
    assert now is not None
    window = Window(now - timedelta(days=1), now)
    complete = Coverage(
        sources=(Source(kind="archive", location="s3://example-trail", records=12_345, last=now),),
        accounts=("111111111111", "222222222222"),
        regions=("us-east-1",),
        window=window,
        fresh_until=now - timedelta(minutes=7),
        notes=("CloudTrail delivers within 5 to 15 minutes: the newest events may still be missing",),
    )
    gap = Gap(
        kind="denied", reason="cloudtrail:LookupEvents was denied", account="333333333333", region="eu-west-1",
        window=window, remedy="allow it in the connected role",
    )  # fmt: skip
    findings = tuple(
        Finding(
            id=f"example-{severity}", severity=severity, title=f"A finding of severity {severity}",
            detail="What it is, in a sentence. A name with \u202edirection characters stays readable.",
            count=7, technique="T1078.004",
            evidence=tuple(Evidence(f"{place}e882b9d-2af8-4c67", "eventName", "CreateUser") for place in range(5)),
        )
        for severity in ("critical", "high", "medium", "low", "info")
    )  # fmt: skip
    return here.page("gallery.html", complete=complete, partial=complete.with_gaps([gap]), findings=findings)

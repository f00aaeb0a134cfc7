"""How long the console takes to answer, on the simulated organisation with a lake of so many records.

    python -m bench.console --records 1000000

Each list is asked for as a page and as JSON, by somebody who has signed in, over HTTP on 127.0.0.1: one request after
the other (``alone``), then by AT_ONCE clients at the same time. The first answer is not counted (``first``: what has to
be read once, the index of sessions and the accounts' IAM among it). Milliseconds from the request to the last byte, by
which half and 95 % of the answers were there; ``cpu`` is what one took of the processor, client included, which a busy
machine does not change much; kilobytes are those of one answer, uncompressed.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles

import httpx
from bench.sessions import ANCHOR, fill

from trailwarden.app import App
from trailwarden.demo.run import Running, running
from trailwarden.faces.serve import in_background
from trailwarden.model.proposal import Actor, Call, Plan, Step, Target
from trailwarden.tools._respond import ledger_of

LISTS = {
    "search": "/search?last=30d",
    "search, all": "/search?last=all",
    "search, a user": "/search?user=john%40company.com&last=30d",
    "sessions": "/sessions?last=30d",
    "roles": "/roles",
    "alerts": "/alerts?last=30d",
    "proposals": "/proposals?all=true",
    "audit": "/audit",
}
AT_ONCE = 4
#: What an installation has gathered after a while.
PROPOSALS, ENTRIES = 200, 5_000
LOGIN, PASSWORD = "bench@company.com", "correct horse battery staple"
_BY = Actor(kind="person", name=LOGIN, via="console")


def prepare(app: App, up: Running, records: int) -> int:
    """Connect the accounts, and fill lake, proposals and audit chain; returns how many records there are."""
    for each in up.scenario.connections:
        app.accounts_connect((each.role_arn,), external_id=each.external_id, label=each.account.name)
    count = fill(app, records)
    app.state.people.add(LOGIN, name="Bench", roles=("responder", "approver", "admin"), by=_BY, now=app.now())
    app.state.people.set_password(LOGIN, PASSWORD, by=_BY, now=app.now())
    for number in range(PROPOSALS):
        plan = _plan(f"user{number}", up.story.account_id)
        ledger_of(app).propose(plan, arguments={}, reason=f"case {number}", by=_BY, administrator=False)
    for number in range(ENTRIES):
        app.audit("request", {"tool": "search", "number": number})
    return count


def _plan(name: str, account: str) -> Plan:
    def call(status: str) -> Call:
        params = {"UserName": name, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": status}
        return Call(api="iam:UpdateAccessKey", params=params, region="us-east-1", resources=(arn,))

    arn = f"arn:aws:iam::{account}:user/{name}"
    user = Target(kind="iam_user", id=f"AIDA{name.upper()}EXAMPLE", account=account, name=name, arn=arn)
    step = Step(number=1, call=call("Inactive"), does="make the key inactive", undo=call("Active"))
    return Plan(action="disable_user", account=account, targets=(user,), steps=(step,), pre_state={"keys": 1})


@contextmanager
def signed_in(origin: str) -> Iterator[httpx.Client]:
    """A client with a session of the console."""
    with httpx.Client(base_url=origin, headers={"Origin": origin}, timeout=600) as client:
        client.get("/login").raise_for_status()
        form = {"login": LOGIN, "password": PASSWORD, "csrf": client.cookies["trailwarden_form"]}
        if client.post("/login", data=form).status_code != httpx.codes.SEE_OTHER:
            raise SystemExit("the console did not take the login")
        yield client


def timed(client: httpx.Client, path: str) -> tuple[float, int]:
    """Milliseconds until an answer was there, and its bytes."""
    started = time.perf_counter()
    answer = client.get(path)
    passed = 1e3 * (time.perf_counter() - started)
    if answer.status_code != httpx.codes.OK:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
    return passed, len(answer.content)


def half_and_most(times: Sequence[float]) -> str:
    """The median and the 95th percentile."""
    cuts = quantiles(times, n=20, method="inclusive")
    return f"{cuts[9]:>8.0f}{cuts[18]:>8.0f}"


def measure(origin: str, name: str, path: str, requests: int) -> None:
    """Ask for one list as often as is said, and print how long it took."""
    with signed_in(origin) as client:
        first, size = timed(client, path)
        before = time.process_time()
        alone = [timed(client, path)[0] for _ in range(requests)]
        cpu = 1e3 * (time.process_time() - before) / requests

    def several(_: int) -> list[float]:
        with signed_in(origin) as client:
            return [timed(client, path)[0] for _ in range(requests // AT_ONCE)]

    with ThreadPoolExecutor(AT_ONCE) as clients:
        together = [each for times in clients.map(several, range(AT_ONCE)) for each in times]
    line = f"{name:<22}{size / 1e3:>9,.0f}{first:>9,.0f}{cpu:>9,.0f}{half_and_most(alone)}{half_and_most(together)}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=40, help="of each list, alone and at once")
    parser.add_argument("--only", choices=tuple(LISTS), action="append", help="this list alone (repeatable)")
    options = parser.parse_args()
    with running(records=1_000, seed=7, clock=lambda: ANCHOR) as up, App.open(up.home, clock=lambda: ANCHOR) as app:
        started = time.perf_counter()
        count = prepare(app, up, options.records)
        print(f"{count:,} records, {PROPOSALS} proposals; ready in {time.perf_counter() - started:,.0f} s")
        together = f"{AT_ONCE} at once"
        print(f"\n{'':<22}{'kB':>9}{'first':>9}{'cpu':>9}{'alone':>16}{together:>16}")
        print(f"{'':<22}{'':>9}{'':>9}{'':>9}{'p50':>8}{'p95':>8}{'p50':>8}{'p95':>8}")
        with in_background(app) as origin:
            for name in options.only or LISTS:
                path = LISTS[name]
                measure(origin, name, path, options.requests)
                data = path + ("&" if "?" in path else "?") + "format=json"
                measure(origin, f"{name}: JSON", data, options.requests)


if __name__ == "__main__":
    main()

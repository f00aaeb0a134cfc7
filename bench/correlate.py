"""How long 500 endpoint alerts take against the sessions of a lake, on the simulated organisation.

    python -m bench.correlate --records 1000000

``sessions`` reads the sessions with their chains from the index, ``index`` prepares them, ``alerts`` correlates all
alerts: the story's and its background, repeated over the last days. In process, seconds; fetching is not in it.
"""

import argparse
import tempfile
import time
from datetime import timedelta

import msgspec
from bench.sessions import ANCHOR, fill

from trailwarden.app import App
from trailwarden.correlate import Correlator
from trailwarden.demo.falcon.story import tell
from trailwarden.demo.incident import incident
from trailwarden.demo.scenario import build_scenario
from trailwarden.falcon.parse import alert_of
from trailwarden.lake.sessions import SessionIndex
from trailwarden.model.alert import Alert
from trailwarden.model.session import SessionFilter
from trailwarden.progress import Silent

ALERTS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records
    scenario = build_scenario(anchor=ANCHOR, records=records)
    told = [alert_of(each) for each in tell(scenario, incident(scenario)).alerts]
    known = [each for each in told if isinstance(each, Alert)]
    alerts = [
        msgspec.structs.replace(
            known[n % len(known)], time=known[n % len(known)].time - timedelta(hours=n // len(known))
        )
        for n in range(ALERTS)
    ]
    with tempfile.TemporaryDirectory() as folder, App.open(folder) as app:
        count = fill(app, records)
        with SessionIndex(app.lake) as index:
            index.refresh(Silent())
            started = time.perf_counter()
            sessions = index.whole(SessionFilter(), None)
        read = time.perf_counter()
        correlator = Correlator(sessions)
        ready = time.perf_counter()
        matches = sum(len(correlator.correlate(alert, None, now=ANCHOR)) for alert in alerts)
        ended = time.perf_counter()
    print(f"{count:,} records, {len(sessions):,} sessions, {len(alerts)} alerts, {matches:,} matches")
    print(f"sessions {read - started:6.2f} s   index {ready - read:6.2f} s   alerts {ended - ready:6.2f} s")


if __name__ == "__main__":
    main()

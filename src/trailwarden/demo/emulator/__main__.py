"""``python -m trailwarden.demo.emulator``: serve until stopped, for demonstrations and for other tools."""

import argparse
import signal
import sys
import threading

from . import Emulator


def main() -> None:
    """Print the endpoint, then serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m trailwarden.demo.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port; 0 takes a free one")
    parser.add_argument("--account", default="111111111111", help="whose administrator's credentials are printed")
    parser.add_argument("--lenient", action="store_true", help="accept every key and authorise every call")
    given = parser.parse_args()
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    with Emulator(port=given.port, strict=not given.lenient) as emulator:
        lines = [f"export {name}={value}" for name, value in emulator.environment(given.account).items()]
        sys.stdout.write("\n".join([emulator.endpoint, *lines, ""]))
        sys.stdout.flush()
        stopped.wait()


if __name__ == "__main__":
    main()

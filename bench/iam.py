"""How long judging IAM takes: one decision, and the scan of accounts of growing size, beside cloudsplaining.

    python -m bench.iam
    python -m bench.iam --principals 500 2000 --cloudsplaining /opt/cloudsplaining/bin/cloudsplaining

Accounts are synthetic, and the same file goes to both. ``scan`` is everything that `trailwarden iam scan
--authorization-details FILE` does: effective permissions, administrators, escalation paths, findings and scores; CPU
seconds after start-up, in a process of its own, and its peak memory. Cloudsplaining does not chain escalations.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trailwarden.demo.iam_world import synthetic_account
from trailwarden.iam import Policies, Request, authorize

SIZES = (500, 2000, 5000)
DECISIONS = 1000
_SCAN = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from trailwarden.aws.authorization import load_authorization_file
from trailwarden.iam.catalog import catalog
from trailwarden.iam.effective import administrator, effective_in
from trailwarden.iam.escalation import escalations
from trailwarden.iam.scan import scan
catalog()
started = time.process_time()
snapshot = load_authorization_file(Path(sys.argv[1]))
read = time.process_time()
permissions = effective_in(snapshot.authorization)
administrators = {arn: administrator(each) for arn, each in permissions.items()}
judged = time.process_time()
paths = escalations(snapshot, administrators=administrators)
climbed = time.process_time()
result = scan(snapshot, paths=paths, now=datetime.now(UTC), permissions=permissions, administrators=administrators)
ended = time.process_time()
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(ended - started, read - started, judged - read, climbed - judged, ended - climbed, int(peak.split()[1]) / 1024,
      len(result.principals))
"""


def decide() -> float:
    """CPU milliseconds of DECISIONS decisions, each with its policies as documents."""
    identity = [
        {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"},
            {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*",
             "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}},
        ]}
    ]  # fmt: skip
    started = time.process_time()
    for number in range(DECISIONS):
        request = Request(
            "s3:GetObject", f"arn:aws:s3:::bucket/{number}", "arn:aws:iam::111111111111:role/reader",
            context={"aws:MultiFactorAuthPresent": "true"},
        )  # fmt: skip
        assert authorize(request, Policies(identity=identity)).effect == "Allowed"
    return 1000 * (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--principals", type=int, nargs="+", default=SIZES)
    parser.add_argument("--cloudsplaining", default=shutil.which("cloudsplaining"))
    parser.add_argument("--most", type=int, default=500, help="largest account that cloudsplaining is given")
    given = parser.parse_args()
    decide()
    print(f"decisions {decide():8.1f} ms for {DECISIONS:,}, policies parsed each time")
    print("principals   total     read  permissions  escalation  findings   peak     µs a principal")
    with tempfile.TemporaryDirectory() as folder:
        for size in given.principals:
            file = Path(folder) / f"{size}.json"
            file.write_text(json.dumps(synthetic_account(size, 7), default=str))
            command = [sys.executable, "-c", _SCAN, str(file)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            total, read, judged, climbed, found, peak, count = map(float, told)
            print(
                f"{count:>9,.0f}  {total:6.2f} s  {read:5.2f} s  {judged:9.2f} s  {climbed:8.2f} s  {found:6.2f} s  "
                f"{peak:5.0f} MB  {1e6 * total / count:8.0f}"
            )
            if given.cloudsplaining and size <= given.most:
                _beside(given.cloudsplaining, file, Path(folder), total)


def _beside(executable: str, file: Path, folder: Path, ours: float) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [executable, "scan", "--input-file", str(file), "--output", str(folder), "--skip-open-report"]
    done = subprocess.run(command, check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    failed = "" if done.returncode == 0 else f" (ended with {done.returncode})"
    print(f"           cloudsplaining {seconds:.1f} s of CPU{failed}: {seconds / ours:,.0f} times as much")


if __name__ == "__main__":
    main()

"""The kept copy of the directory: how long it holds, and what happens when an account cannot be read again."""

import stat
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trailwarden.aws.kept_directory import FILE, GAPS_AGE, kept_directory
from trailwarden.errors import SetupError
from trailwarden.model.directory import AccountDirectory, Directory, IamUser
from trailwarden.model.finding import Gap

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE, TWO = "111111111111", "222222222222"


class Aws:
    """Stands for the reading: accounts that fail, gaps that they show, and what was asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[list[str]] = []
        self.failing: set[str] = set()
        self.gaps: tuple[Gap, ...] = ()
        #: How much older than the reading AWS's report is.
        self.report_age = timedelta(0)

    def read(self, accounts: Collection[str]) -> Directory:
        self.asked.append(sorted(accounts))
        taken = self.now - self.report_age
        user = f"user-{self.now:%H%M}"
        return Directory(
            accounts=tuple(
                AccountDirectory(
                    account=account,
                    taken=taken,
                    read=("iam_users",),
                    iam_users=(
                        IamUser(
                            arn=f"arn:aws:iam::{account}:user/{user}",
                            name=user,
                            id="AIDAEXAMPLE",
                            account=account,
                            created=NOW,
                            tags={"email": "john@company.com"},
                        ),
                    ),
                    gaps=self.gaps,
                )
                for account in sorted(accounts)
                if account not in self.failing
            ),
            gaps=tuple(
                Gap(kind="denied", reason="sts:AssumeRole failed", account=account, remedy="see doctor")
                for account in sorted(self.failing & set(accounts))
            ),
        )

    def kept(self, home: Path, *accounts: str, max_age: timedelta = HOUR) -> Directory:
        return kept_directory(home, self.read, accounts=accounts or (ONE, TWO), now=self.now, max_age=max_age)


@pytest.fixture
def aws() -> Aws:
    return Aws()


def test_a_fresh_copy_is_not_read_again(aws: Aws, tmp_path: Path) -> None:
    first = aws.kept(tmp_path)
    aws.now += timedelta(minutes=59)
    assert aws.kept(tmp_path) == first
    assert aws.asked == [[ONE, TWO]]


def test_an_old_copy_is_read_again(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path)
    aws.now += HOUR
    assert {each.taken for each in aws.kept(tmp_path).accounts} == {NOW + HOUR}
    assert len(aws.asked) == 2


def test_a_report_that_was_old_already_does_not_make_the_copy_stale(aws: Aws, tmp_path: Path) -> None:
    aws.report_age = timedelta(hours=4)
    assert {each.taken for each in aws.kept(tmp_path).accounts} == {NOW - timedelta(hours=4)}
    aws.now += timedelta(minutes=30)
    aws.kept(tmp_path)
    assert len(aws.asked) == 1


def test_only_the_new_account_is_read(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path, ONE)
    aws.now += timedelta(minutes=5)
    got = aws.kept(tmp_path, ONE, TWO)
    assert aws.asked == [[ONE], [TWO]]
    assert [(each.account, each.taken - NOW) for each in got.accounts] == [
        (ONE, timedelta(0)),
        (TWO, timedelta(minutes=5)),
    ]


def test_an_account_that_is_connected_no_more_is_forgotten(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path, ONE, TWO)
    assert [each.account for each in aws.kept(tmp_path, ONE).accounts] == [ONE]
    aws.now += HOUR
    aws.kept(tmp_path, ONE)
    assert TWO.encode() not in (tmp_path / FILE).read_bytes()


def test_an_account_that_fails_keeps_its_older_copy_and_says_so(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path)
    aws.now += 2 * HOUR
    aws.failing.add(TWO)
    got = aws.kept(tmp_path)
    assert [(each.account, each.taken) for each in got.accounts] == [(ONE, NOW + 2 * HOUR), (TWO, NOW)]
    (gap,) = got.gaps
    assert (gap.account, gap.kind, gap.remedy) == (TWO, "denied", "see doctor")
    assert "2026-11-24 12:00" in gap.reason.replace("T", " ")
    # It is tried again every time, and it alone.
    aws.now += timedelta(minutes=1)
    assert len(aws.kept(tmp_path).gaps) == 1
    aws.failing.clear()
    got = aws.kept(tmp_path)
    assert got.gaps == ()
    assert [each.taken for each in got.accounts] == [NOW + 2 * HOUR, NOW + 2 * HOUR + timedelta(minutes=1)]
    assert aws.asked[1:] == [[ONE, TWO], [TWO], [TWO]]


def test_an_account_that_never_was_read_is_a_gap_alone(aws: Aws, tmp_path: Path) -> None:
    aws.failing.add(TWO)
    got = aws.kept(tmp_path)
    assert [each.account for each in got.accounts] == [ONE]
    assert [gap.reason for gap in got.gaps] == ["sts:AssumeRole failed"]


def test_an_account_with_gaps_is_read_again_sooner(aws: Aws, tmp_path: Path) -> None:
    aws.gaps = (Gap(kind="denied", reason="iam:ListUsers failed", account=ONE),)
    aws.kept(tmp_path)
    aws.now += GAPS_AGE - timedelta(seconds=1)
    assert aws.kept(tmp_path).all_gaps == aws.gaps * 2
    aws.gaps = ()
    aws.now += timedelta(seconds=1)
    assert aws.kept(tmp_path).all_gaps == ()
    assert len(aws.asked) == 2


def test_a_copy_from_the_future_is_not_trusted(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path)
    aws.now -= HOUR
    aws.kept(tmp_path)
    assert len(aws.asked) == 2


@pytest.mark.parametrize(
    "content", [b"", b"not json", b'{"format":2,"accounts":[]}', b'{"format":1,"accounts":[{"read_at":7}]}']
)
def test_a_damaged_copy_is_read_anew(aws: Aws, tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert len(aws.kept(tmp_path).accounts) == 2
    aws.kept(tmp_path)
    assert len(aws.asked) == 1


def test_the_copy_is_for_its_owner_alone_and_nothing_else_is_left(aws: Aws, tmp_path: Path) -> None:
    aws.kept(tmp_path)
    aws.now += HOUR
    aws.kept(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_copy_that_cannot_be_written_is_an_error(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(SetupError, match="kept directory"):
        aws.kept(tmp_path)
    with pytest.raises(SetupError, match="kept directory"):
        aws.kept(tmp_path / "missing")

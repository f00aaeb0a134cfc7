"""What calls show by themselves, without a history: rules of :mod:`trailwarden.detect`, and sequences of calls."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from ..detect import called, detected, in_order, is_denied
from ..model.event import Event

DENIED_BURST = "conduct-denied-burst"
RECONNAISSANCE = "conduct-reconnaissance"
ASSUME_ADMINISTRATOR = "conduct-assume-administrator"
#: So many calls denied to one subject within so long are a burst.
_DENIED, _DENIED_SPAN = 10, timedelta(minutes=10)
#: After the question whose credentials these are, so many different kinds of what there is, within so long.
_KINDS, _RECON_SPAN = 3, timedelta(minutes=15)
#: What an intruder asks next, by kind: each kind counts once, however often it is asked.
_ASKED: Mapping[str, tuple[str, ...]] = {
    "own permissions": (
        "iam:GetUser", "iam:ListAttachedUserPolicies", "iam:ListUserPolicies", "iam:GetUserPolicy",
        "iam:ListGroupsForUser", "iam:SimulatePrincipalPolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies",
    ),
    "users and roles": (
        "iam:ListUsers", "iam:ListRoles", "iam:ListGroups", "iam:ListAccessKeys", "iam:GetAccountAuthorizationDetails",
        "iam:GetAccountSummary", "iam:ListPolicies",
    ),
    "data": (
        "s3:ListBuckets", "s3:GetBucketPolicy", "s3:GetBucketAcl", "rds:DescribeDB*", "dynamodb:ListTables",
        "ec2:DescribeSnapshots",
    ),
    "secrets": ("secretsmanager:ListSecrets", "ssm:DescribeParameters", "kms:ListKeys"),
    "machines": ("ec2:DescribeInstances", "ec2:DescribeRegions", "lambda:ListFunctions*", "ecs:ListClusters"),
    "organisation": ("organizations:DescribeOrganization", "organizations:ListAccounts", "account:Get*"),
    "limits and mail": ("ses:GetSendQuota", "ses:ListIdentities", "ses:GetAccount*", "servicequotas:*"),
    "guards": ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "guardduty:ListDetectors"),
}  # fmt: skip


def conduct(events: Iterable[Event], administrators: frozenset[str] | None) -> dict[str, tuple[Event, ...]]:
    """The calls that each rule finds among those of one subject, by the rule's id, oldest first.

    ``administrators`` are ARNs of roles; None: not known, and so nothing is said of them.
    """
    calls = in_order(events)
    found = dict(detected(calls))
    for rule, own in (
        (DENIED_BURST, _denied(calls)),
        (RECONNAISSANCE, _reconnaissance(calls)),
        (ASSUME_ADMINISTRATOR, _towards(calls, administrators or frozenset())),
    ):
        if own:
            found[rule] = tuple(own)
    return found


def is_outsiders(event: Event) -> bool:
    """Whether anybody can have made this call in another's name: a sign-in that failed proves no password."""
    return event.source == "signin.amazonaws.com" and event.outcome == "failure"


def assumed_role(event: Event) -> str | None:
    """The role that a call asks to assume, whether it may or not; None for any other call."""
    if called(event) != "sts:AssumeRole" or not isinstance(event.request, Mapping):
        return None
    role = event.request.get("roleArn")
    return role if isinstance(role, str) else None


def _towards(calls: Sequence[Event], administrators: frozenset[str]) -> list[Event]:
    seen: set[str] = set()
    found = []
    for event in calls:
        key = event.shared_event_id or event.event_id
        if assumed_role(event) in administrators and event.principal.type != "AWSService" and key not in seen:
            seen.add(key)
            found.append(event)
    return found


def _denied(calls: Sequence[Event]) -> list[Event]:
    """All calls of all bursts."""
    denied = list({each.shared_event_id or each.event_id: each for each in calls if is_denied(each)}.values())
    found: list[Event] = []
    start = taken = 0
    for end, event in enumerate(denied):
        while event.time - denied[start].time > _DENIED_SPAN:
            start += 1
        if end - start + 1 >= _DENIED:
            found += denied[max(start, taken) : end + 1]
            taken = end + 1
    return found


def _reconnaissance(calls: Sequence[Event]) -> list[Event]:
    """The first sequence: who am I, and then what is there, of several kinds; whether allowed or not."""
    kinds = [_kind(event) for event in calls]
    within: Counter[str | None] = Counter()
    end = 0
    for start, event in enumerate(calls):
        while end < len(calls) and calls[end].time - event.time <= _RECON_SPAN:
            within[kinds[end]] += 1
            end += 1
        within[kinds[start]] -= 1
        if called(event) == "sts:GetCallerIdentity" and sum(1 for kind, n in within.items() if kind and n) >= _KINDS:
            asked = range(start + 1, end)
            first = {kind: place for place in reversed(asked) if (kind := kinds[place]) is not None}
            return [event, *(calls[place] for place in sorted(first.values()))]
    return []


def _kind(event: Event) -> str | None:
    what = called(event)
    return next((kind for kind, names in _ASKED.items() if any(fnmatchcase(what, name) for name in names)), None)

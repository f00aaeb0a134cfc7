"""Resource policies that let in the public or an account outside: each is put to the evaluator with such a caller.

Denies, conditions and resource control policies count. Blind spots: ACLs, grants of KMS, the account's own Block
Public Access, and what a service lets in besides (function URLs, presigned links). AWS services as principals are
not judged.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..model.authorization import OrganizationPolicies, ResourcePolicyDocument
from ..model.iam_report import IamEvidence, IamFinding
from ..model.policy import Policy, Statement
from .catalog import LEVELS, catalog, level, matching, supports
from .findings import finding
from .outside import Way, outsiders, way_in
from .principals import account_named

#: How many actions of one statement are tried, the gravest first.
_TRIED = 40
_SHOWN = 6


def resource_findings(
    document: ResourcePolicyDocument,
    *,
    known_accounts: Collection[str] = (),
    organization: OrganizationPolicies | None = None,
) -> tuple[IamFinding, ...]:
    """Whether the public, or accounts that are not known, get past a resource's policy; none if nobody does.

    ``known_accounts`` are the owner's other accounts.
    """
    own = {document.account, *known_accounts}
    rcps = (organization.binding_rcps if organization else None) or ()
    return (*_public(document, rcps), *_external(document, own, rcps))


def _public(document: ResourcePolicyDocument, rcps: Sequence[Sequence[Policy]]) -> Iterator[IamFinding]:
    if document.restricts_public:
        return
    opened: dict[Statement, list[Way]] = {}
    for statement in document.policy.statements:
        if statement.effect == "Allow" and _names_everyone(statement):
            ways = _ways(document, statement, outsiders(document.policy, anonymous=True), rcps)
            if ways:
                opened[statement] = ways
    if not opened:
        return
    unsealed = document.service != "s3" or document.restricts_public is False
    ways = [way for each in opened.values() for way in each]
    certain = any(way.certain for way in ways)
    doubt = "" if unsealed else "; whether Block Public Access keeps the public out was not read"
    yield finding(
        "iam-public-resource",
        detail=f"Anyone may {_told(ways)}{doubt}",
        evidence=[_evidence(document, each) for each in opened],
        certain=certain and unsealed,
    )


def _external(
    document: ResourcePolicyDocument, own: Collection[str], rcps: Sequence[Sequence[Policy]]
) -> Iterator[IamFinding]:
    opened: dict[Statement, list[Way]] = {}
    accounts: dict[str, None] = {}
    for statement in document.policy.statements:
        for caller, account in _strangers(statement, own) if statement.effect == "Allow" else ():
            ways = _ways(document, statement, (caller,), rcps)
            if ways:
                accounts[account] = None
                opened.setdefault(statement, []).extend(ways)
    if not opened:
        return
    ways = [way for each in opened.values() for way in each]
    yield finding(
        "iam-external-resource",
        detail=f"Account {', '.join(accounts)} may {_told(ways)}",
        evidence=[_evidence(document, each) for each in opened],
        certain=any(way.certain for way in ways),
    )


def _names_everyone(statement: Statement) -> bool:
    if statement.principals is None:
        return statement.not_principals is not None
    return any(each.value == "*" and each.type in ("*", "AWS") for each in statement.principals)


def _strangers(statement: Statement, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """Callers that a statement names and that are of accounts outside, each with its account."""
    for each in statement.principals or ():
        if each.type != "AWS" or each.value == "*":
            continue
        whole = account_named(each.value)
        account = whole or (each.value.split(":")[4] if each.value.count(":") >= 5 else "")
        if account and account not in own:
            yield (f"arn:aws:iam::{account}:role/outsider" if whole else each.value), account


def _ways(
    document: ResourcePolicyDocument,
    statement: Statement,
    callers: Sequence[str],
    rcps: Sequence[Sequence[Policy]],
) -> list[Way]:
    """The actions of a statement that the callers get by it, each on one of its resources."""
    found: list[Way] = []
    for action in _tried(document, statement):
        resource = next((each for each in _resources(document, statement) if supports(action, each) is not False), None)
        if resource is None:
            continue
        way = way_in(document.policy, action, resource, account=document.account, callers=callers, rcps=rcps)
        if way is not None:
            found.append(way)
    return found


def _tried(document: ResourcePolicyDocument, statement: Statement) -> tuple[str, ...]:
    index = catalog()
    bits = 0
    for text in statement.actions if statement.actions is not None else statement.not_actions or ():
        bits |= matching(text)
    service = index.of_service(document.service)
    named = service & bits if statement.actions is not None else service & ~bits
    order: Mapping[str, int] = {each: at for at, each in enumerate(LEVELS)}
    return tuple(sorted(index.members(named), key=lambda each: order.get(level(each), len(LEVELS)))[:_TRIED])


def _resources(document: ResourcePolicyDocument, statement: Statement) -> Iterator[str]:
    """ARNs that a statement speaks of: its patterns with a name for each wildcard, the resource, and what is in it."""
    for text in statement.resources or ():
        if text != "*":
            yield text.replace("*", "x").replace("?", "x")
    yield document.arn
    yield f"{document.arn}/x"


def _told(ways: Sequence[Way]) -> str:
    sure = [way for way in ways if way.certain] or ways
    actions = tuple(dict.fromkeys(way.action for way in sure))
    more = f" and {len(actions) - _SHOWN} more" if len(actions) > _SHOWN else ""
    conditions = dict.fromkeys(each for way in sure for each in way.conditions)
    asked = f", if {' and '.join(conditions)}" if conditions else ""
    return f"{', '.join(actions[:_SHOWN])}{more}{asked}"


def _evidence(document: ResourcePolicyDocument, statement: Statement) -> IamEvidence:
    principals = statement.principals if statement.principals is not None else statement.not_principals or ()
    element = "Principal" if statement.principals is not None else "NotPrincipal"
    actions = ", ".join((statement.actions or statement.not_actions or ())[:_SHOWN])
    return IamEvidence(
        policy="resource policy",
        holder=document.arn,
        statement=statement.index,
        sid=statement.sid,
        text=f"Allow {actions} to {element} {', '.join(map(str, principals[:_SHOWN]))}",
    )

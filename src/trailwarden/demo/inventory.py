"""What there is in an account and Region of the simulated organisation, for calls to ask about."""

import msgspec

from .ids import hex_id, uuid
from .scenario import Scenario

_SECRETS = ("api/database", "api/signing-key", "webshop/smtp", "ledger/token")


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to ask about in one account and Region, as parameters name it."""

    account_id: str
    region: str
    name: str
    instances: tuple[str, ...]
    buckets: tuple[str, ...]
    functions: tuple[str, ...]
    secrets: tuple[str, ...]
    roles: tuple[str, ...]
    users: tuple[str, ...]
    key_arns: tuple[str, ...]
    groups: tuple[str, ...]
    subnets: tuple[str, ...]


def inventory(scenario: Scenario, account_id: str, region: str) -> Inventory:
    """What there is in an account and Region."""
    account = next(account for account in scenario.accounts if account.id == account_id)
    seed, short = scenario.seed, account.name.removeprefix("acme-")
    here = [w for w in scenario.workloads if w.account_id == account_id]
    instances = tuple(i for w in here if w.region == region and w.kind == "instance" for i in w.instances)
    environment = {"production": "prod", "development": "dev"}.get(short, "security")
    buckets = ("assets", "invoices", "exports", "logs") if short != "security" else ("findings", "inventory")
    return Inventory(
        account_id=account_id,
        region=region,
        name=short,
        instances=instances or (hex_id("i-", seed, account_id, region),),
        buckets=tuple(f"acme-{short}-{what}" for what in buckets)
        + ((scenario.trail_bucket,) if short == "security" else ()),
        functions=tuple(w.subject for w in here if w.kind == "function") or ("on-call-notifier",),
        secrets=tuple(f"{environment}/{what}" for what in _SECRETS),
        roles=tuple(r.name for r in scenario.roles if r.account_id == account_id),
        users=tuple(u.name for u in scenario.iam_users if u.account_id == account_id) or ("break-glass",),
        key_arns=tuple(
            f"arn:aws:kms:{region}:{account_id}:key/{uuid(seed, 'kms', account_id, region, str(n))}" for n in range(3)
        ),
        groups=tuple(hex_id("sg-", seed, account_id, region, str(n)) for n in range(4)),
        subnets=tuple(hex_id("subnet-", seed, account_id, region, str(n)) for n in range(3)),
    )

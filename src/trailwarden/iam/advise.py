"""What to change, ranked by the points that it takes off the score.

Each change is really made, to copies of the parsed policies, and the principal judged again. What would break is told
from the records of use that are given; without any it is not known. An escalation path counts as broken when an action
of the principal's own step is no longer possible on anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..model.iam_report import EscalationPath, IamFinding, PrincipalReport, Recommendation
from ..model.policy import (
    AccountAuthorization,
    IamGroup,
    IamPrincipal,
    IamRole,
    IamUserEntity,
    Policy,
    PolicySource,
    Statement,
    parse_policy,
)
from .catalog import canonical, catalog, matching
from .clauses import Clause
from .effective import CONTROL, Permissions
from .findings import Facts, findings_of, stale_services
from .report import Account
from .risk import score
from .trust import Entry
from .wide import families, wide_actions

_Entity = IamPrincipal | IamGroup
#: Actions that start a service with a role, and the service that the role is passed to.
PASSED_TO: Mapping[str, str] = {
    "cloudformation:CreateStack": "cloudformation.amazonaws.com",
    "codebuild:CreateProject": "codebuild.amazonaws.com",
    "ec2:RunInstances": "ec2.amazonaws.com",
    "ecs:RegisterTaskDefinition": "ecs-tasks.amazonaws.com",
    "ecs:RunTask": "ecs-tasks.amazonaws.com",
    "glue:CreateDevEndpoint": "glue.amazonaws.com",
    "glue:CreateJob": "glue.amazonaws.com",
    "lambda:CreateFunction": "lambda.amazonaws.com",
    "sagemaker:CreateNotebookInstance": "sagemaker.amazonaws.com",
    "sagemaker:CreateTrainingJob": "sagemaker.amazonaws.com",
    "scheduler:CreateSchedule": "scheduler.amazonaws.com",
    "states:CreateStateMachine": "states.amazonaws.com",
}
_PASSED_TO_KEY = "iam:passedtoservice"
#: What stands in a proposed condition for a value that only the owner knows.
_FILL_IN = "REPLACE-"
_SUBJECTS: Mapping[str, str] = {
    "token.actions.githubusercontent.com": f"repo:{_FILL_IN}ORGANIZATION/REPOSITORY:ref:refs/heads/BRANCH",
    "gitlab.com": f"project_path:{_FILL_IN}GROUP/PROJECT:ref_type:branch:ref:BRANCH",
}
_UNKNOWN_USE = "no records of use were looked at: what would stop working is not known"
#: A managed policy's attachments that a change of it would touch are told up to so many.
_SHOWN = 5


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed change: what is put where. ``entity`` None: the principal is gone; ``keeps``: facts that stay."""

    id: str
    title: str
    detail: str
    entity: _Entity | None
    authorization: AccountAuthorization
    before: Any = None
    after: Any = None
    also: tuple[str, ...] = ()
    keeps: Callable[[IamFinding], bool] | None = None


def recommendations(account: Account, facts: Facts, report: PrincipalReport) -> tuple[Recommendation, ...]:
    """The changes to a principal, the one that takes off most points first."""
    advisor = _Advisor(account, facts)
    made = [advisor.judged(change, report) for change in advisor.changes(report)]
    return tuple(sorted(made, key=lambda each: (-each.removes, each.id)))


class _Advisor:
    def __init__(self, account: Account, facts: Facts) -> None:
        self.account = account
        self.facts = facts
        self.entity = facts.entity
        self.authorization = account.authorization
        self.identity: tuple[Clause, ...] = facts.permissions.layers[0][1]
        self.used = 0
        for action in facts.usage.actions if facts.usage else ():
            self.used |= matching(action)

    # --- judging ---

    def judged(self, change: _Change, report: PrincipalReport) -> Recommendation:
        """The recommendation, with what is left of the score once the change is made."""
        left = 0
        breaks = change.also
        if change.entity is None:
            breaks = (*breaks, *self._in_use())
        else:
            facts = self.account.facts(change.entity, authorization=change.authorization, paths=())
            kept = tuple(path for path in self.facts.paths if not self._broken(path, facts.permissions))
            facts = msgspec.structs.replace(facts, paths=kept)
            findings = findings_of(facts)
            if change.keeps is not None:
                findings = tuple(filter(change.keeps, findings))
            left, _ = score(findings)
            breaks = (*breaks, *self._breaks(facts.permissions))
        usage = self.facts.usage
        return Recommendation(
            id=change.id,
            title=change.title,
            detail=change.detail,
            removes=max(0, report.score - left),
            before=change.before,
            after=change.after,
            breaks=breaks,
            rests_on=usage.coverage if usage else _UNKNOWN_USE,
        )

    def _broken(self, path: EscalationPath, after: Permissions) -> bool:
        before = self.facts.permissions
        own = (action for step in path.steps if step.principal == self.entity.arn for action in step.actions)
        return any(before.allows(action).possible and not after.allows(action).possible for action in own)

    def _breaks(self, after: Permissions) -> Iterator[str]:
        before = self.facts.permissions
        for action, resources in (self.facts.usage.actions if self.facts.usage else {}).items():
            for resource in resources or ("*",):
                if before.allows(action, resource).possible and not after.allows(action, resource).possible:
                    on = f" on {resource}" if resource != "*" else ""
                    yield f"{canonical(action)}{on}, which is in use"

    def _in_use(self) -> Iterator[str]:
        for action in self.facts.usage.actions if self.facts.usage else ():
            yield f"{canonical(action)}, which is in use"

    # --- changes ---

    def changes(self, report: PrincipalReport) -> Iterator[_Change]:
        """What can be proposed for the findings of a report."""
        found = {each.id: each for each in report.findings}
        if "iam-unused-principal" in found:
            yield self._deletion(found["iam-unused-principal"])
        if self.facts.usage is not None and self.identity:
            yield self._least_privilege(self.facts.usage.actions)
        if self.facts.administrator.answer != "no":
            yield from self._less_administrator()
        for family in families():
            if family.finding in found:
                hits = (self.facts.wide.sure | self.facts.wide.may) & family.mask
                yield from self._without(f"narrow-{family.finding[4:]}", hits, family.what)
        yield from self._less_escalation()
        yield from self._passing()
        if "iam-unused-services" in found:
            yield from self._unused_services()
        if isinstance(self.entity, IamRole):
            yield from self._trust(self.entity)
        yield from self._upkeep(found)

    def _change(self, id_: str, title: str, detail: str, entity: _Entity | None = None, **more: Any) -> _Change:
        more.setdefault("authorization", self.authorization)
        return _Change(id=id_, title=title, detail=detail, entity=entity or self.entity, **more)

    def _deletion(self, finding: IamFinding) -> _Change:
        return _Change(
            id="delete-unused-principal",
            title=f"Delete {self.entity.name}, which is not in use",
            detail=finding.detail,
            entity=None,
            authorization=self.authorization,
            before={"Arn": self.entity.arn},
        )

    def _least_privilege(self, used: Mapping[str, tuple[str, ...] | None]) -> _Change:
        document = least_privilege(used, self.facts.permissions)
        source = PolicySource(kind="identity_inline", name="in-use", holder=self.entity.arn)
        policy = parse_policy(document, source=source) if document["Statement"] else None
        if isinstance(self.entity, IamUserEntity):
            entity: _Entity = msgspec.structs.replace(
                self.entity, inline=(policy,) if policy else (), attached=(), groups=()
            )
        else:
            entity = msgspec.structs.replace(self.entity, inline=(policy,) if policy else (), attached=())
        names = list(dict.fromkeys(str(each.ref.source) for each in self.identity))
        return self._change(
            "least-privilege",
            "Replace its policies by one of what is in use",
            f"{len(used)} actions are in use; an action whose resources the records do not tell stays on *",
            entity,
            authorization=self._with_group(entity),
            before=names,
            after=document,
        )

    def _with_group(self, entity: _Entity) -> AccountAuthorization:
        if not isinstance(entity, IamGroup):
            return self.authorization
        return msgspec.structs.replace(self.authorization, groups={**self.authorization.groups, entity.name: entity})

    def _less_administrator(self) -> Iterator[_Change]:
        refs = {ref for _, refs in self.facts.administrator.by for ref in refs}
        clauses = [each for each in self.identity if each.ref in refs]
        control = _bits(action for _, actions in CONTROL.values() for action in actions)
        full = {
            each.ref.source.arn
            for each in clauses
            if not _editable(each) or (each.widest.everything and "*" in each.template.texts)
        }
        for arn in sorted(arn for arn in full if arn):
            edit = _Edit(self.entity, self.authorization)
            edit.detach(arn)
            name = arn.rpartition("/")[2]
            yield self._change(
                f"detach-{name.lower()}",
                f"Detach {name}",
                "It gives control of IAM; attach what is needed in its place",
                edit.entity,
                authorization=edit.authorization,
                before={"AttachedManagedPolicies": list(edit.attached_before)},
                after={"AttachedManagedPolicies": [each for each in edit.attached_before if each != arn]},
            )
        yield from self._without("remove-iam-control", control, "control IAM")

    def _less_escalation(self) -> Iterator[_Change]:
        steps = [step for path in self.facts.paths for step in path.steps[:1] if step.principal == self.entity.arn]
        wanted = {
            "iam:PassRole" if "iam:PassRole" in step.actions else step.actions[0] for step in steps if step.actions
        }
        if wanted:
            names = sorted(wanted)
            what = f"climb by {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}"
            yield from self._without("break-escalation", _bits(wanted), what, narrow=True)

    def _unused_services(self) -> Iterator[_Change]:
        stale = stale_services(self.facts)
        bits = 0
        for service in stale:
            bits |= catalog().of_service(service)
        yield from self._without(
            "remove-unused-services",
            bits,
            f"use {', '.join(stale[:_SHOWN])}, which it does not",
            keeps=lambda each: each.id != "iam-unused-services",
        )

    def _without(
        self,
        id_: str,
        actions: int,
        what: str,
        *,
        narrow: bool = False,
        keeps: Callable[[IamFinding], bool] | None = None,
    ) -> Iterator[_Change]:
        """Take actions away where they are given widely (``narrow``: wherever they are), but for those in use."""
        hits = actions & ~self.used
        account = self.facts.account
        if narrow:
            clauses = [each for each in self.identity if each.actions & hits]
        else:
            clauses = [each for each in self.identity if wide_actions(each.template, each.widest, account) & hits]
        if not hits or not clauses:
            return
        edit = _Edit(self.entity, self.authorization)
        for clause in clauses:
            edit.take(clause, hits)
        shown = [canonical(each) for each, _ in zip(catalog().members(hits), range(_SHOWN), strict=False)]
        more = hits.bit_count() - len(shown)
        names = f"{', '.join(shown)}{f' and {more} more' if more > 0 else ''}"
        spared = " Actions that are in use stay." if actions & self.used else ""
        yield self._change(
            id_,
            f"Take away what lets it {what}",
            f"Without {names}.{spared} Where it needs some of them, allow them on the resources by name",
            edit.entity,
            authorization=edit.authorization,
            before=edit.before,
            after=edit.after,
            also=tuple(self._touched(edit.shared)),
            keeps=keeps,
        )

    def _touched(self, shared: Iterable[str]) -> Iterator[str]:
        for arn in dict.fromkeys(shared):
            holders = [
                each.name for each in self.account.entities() if arn in each.attached and each.arn != self.entity.arn
            ]
            if holders:
                more = f" and {len(holders) - _SHOWN} more" if len(holders) > _SHOWN else ""
                yield f"{arn.rpartition('/')[2]} changes for {', '.join(holders[:_SHOWN])}{more} too"

    def _passing(self) -> Iterator[_Change]:
        """Add iam:PassedToService where iam:PassRole lacks it: the services that the principal itself can start."""
        pass_role = matching("iam:PassRole")
        services = sorted({service for action, service in PASSED_TO.items() if action in self.facts.permissions.named})
        clauses = [
            each
            for each in self.identity
            if each.actions & pass_role
            and not any(condition.key.lower() == _PASSED_TO_KEY for condition in each.template.statement.conditions)
            and _editable(each)
            and not each.template.negated
        ]
        if not services or not clauses:
            return
        edit = _Edit(self.entity, self.authorization)
        for clause in clauses:
            edit.condition(clause, "iam:PassRole", services)
        yield self._change(
            "condition-passed-to-service",
            "Say to which services it may pass roles",
            f"iam:PassedToService limits iam:PassRole to {', '.join(services)}, which it can start",
            edit.entity,
            authorization=edit.authorization,
            before=edit.before,
            after=edit.after,
            also=tuple(self._touched(edit.shared)),
        )

    # --- trust and upkeep ---

    def _trust(self, role: IamRole) -> Iterator[_Change]:
        if role.trust is None:
            return
        entries: dict[str, list[Entry]] = {}
        for entry in self.facts.trust:
            for concern in entry.concerns:
                entries.setdefault(concern.id, []).append(entry)
        for id_, (entry, *_) in entries.items():
            fix = _FIXES.get(id_)
            if fix is None:
                continue
            statement = role.trust.statements[entry.statement]
            written = statement_document(statement)
            changed = fix(written, entry, self.facts.account)
            statements: list[dict[str, Any]] = [
                changed if each is statement else statement_document(each) for each in role.trust.statements
            ]
            trust = _parsed(role.trust, [each for each in statements if each])
            yield self._change(
                f"trust-{id_.removeprefix('iam-trust-')}",
                _FIX_WORDS[id_],
                next(each.why for each in entry.concerns if each.id == id_),
                msgspec.structs.replace(role, trust=trust),
                before=written,
                after=changed,
            )

    def _upkeep(self, found: Mapping[str, IamFinding]) -> Iterator[_Change]:
        for id_, title in _UPKEEP.items():
            if id_ in found:
                yield self._change(
                    id_.removeprefix("iam-"),
                    title,
                    found[id_].detail,
                    before=[each.text for each in found[id_].evidence],
                    keeps=lambda each, id_=id_: each.id != id_,
                )


_UPKEEP = {
    "iam-old-access-key": "Rotate the old access key, or use a role in its place",
    "iam-several-access-keys": "Delete the access key that is left over",
    "iam-unused-access-key": "Make the unused access key inactive",
    "iam-console-without-mfa": "Register an MFA device",
}


# --- edits of policies ----------------------------------------------------------------------------------------------


def _editable(clause: Clause) -> bool:
    return ":iam::aws:policy/" not in (clause.ref.source.arn or "")


class _Edit:
    """Changes to the statements of one principal, made to copies; what was and what is are kept as JSON values."""

    def __init__(self, entity: _Entity, authorization: AccountAuthorization) -> None:
        self.entity = entity
        self.authorization = authorization
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.shared: list[str] = []
        self.attached_before: tuple[str, ...] = ()
        self._denied = 0
        self._edited: set[tuple[str, int]] = set()

    def take(self, clause: Clause, actions: int) -> None:
        """Take actions out of a statement. A wildcard that holds more stays, and a Deny is put beside it."""
        template = clause.template
        if not _editable(clause) or template.negated:
            self._deny(clause, actions & clause.actions)
            return
        kept = [text for text in template.texts if matching(text) & ~actions or not matching(text)]
        left = _bits(kept) & actions
        written = statement_document(template.statement)
        if len(kept) < len(template.texts):
            changed = {**written, "Action": kept} if kept else None
            self._replace(clause, written, [changed] if changed else [])
        if left:
            self._deny(clause, left)

    def condition(self, clause: Clause, action: str, services: Sequence[str]) -> None:
        """Put an action of a statement under iam:PassedToService; other actions stay in a statement of their own."""
        written = statement_document(clause.template.statement)
        bit = matching(action)
        others = [text for text in clause.template.texts if matching(text) & ~bit or not matching(text)]
        conditions = {key: dict(value) for key, value in written.get("Condition", {}).items()}
        conditions.setdefault("StringEquals", {})["iam:PassedToService"] = list(services)
        passing = {**written, "Action": [action], "Condition": conditions}
        passing.pop("Sid", None)
        exact = [text for text in others if not matching(text) & bit]
        if len(exact) < len(others):
            # A wildcard still gives the action without the condition: all of the statement is put under a Deny.
            deny = {
                "Effect": "Deny",
                "Action": [action],
                "Resource": "*",
                "Condition": {"StringNotEquals": {"iam:PassedToService": list(services)}},
            }
            self._replace(clause, written, [written, deny])
            return
        self._replace(clause, written, [{**written, "Action": exact}, passing] if exact else [passing])

    def detach(self, arn: str) -> None:
        """Detach a managed policy from the principal and from its groups."""
        self.attached_before = self.entity.attached
        attached = tuple(each for each in self.entity.attached if each != arn)
        self.entity = msgspec.structs.replace(self.entity, attached=attached)
        names = self.entity.groups if isinstance(self.entity, IamUserEntity) else ()
        groups = dict(self.authorization.groups)
        for name in names:
            group = groups.get(name)
            if group is not None and arn in group.attached:
                left = tuple(each for each in group.attached if each != arn)
                groups[name] = msgspec.structs.replace(group, attached=left)
                self.attached_before = tuple(dict.fromkeys((*self.attached_before, *group.attached)))
        if isinstance(self.entity, IamGroup):
            groups[self.entity.name] = self.entity
        self.authorization = msgspec.structs.replace(self.authorization, groups=groups)

    def _deny(self, clause: Clause, actions: int) -> None:
        fresh = actions & ~self._denied
        if not fresh:
            return
        self._denied |= fresh
        deny = {"Effect": "Deny", "Action": sorted(catalog().members(fresh)), "Resource": "*"}
        written = statement_document(clause.template.statement)
        self.before.append({"policy": str(clause.ref.source), "statement": clause.ref.index, "is": written})
        self.after.append({"policy": f"new inline policy of {self.entity.name}", "is": deny})
        source = PolicySource(kind="identity_inline", name=f"deny-{len(self.entity.inline)}", holder=self.entity.arn)
        policy = parse_policy({"Version": "2012-10-17", "Statement": [deny]}, source=source)
        self._put_entity(msgspec.structs.replace(self.entity, inline=(*self.entity.inline, policy)))

    def _put_entity(self, entity: _Entity) -> None:
        self.entity = entity
        if isinstance(entity, IamGroup):
            groups = {**self.authorization.groups, entity.name: entity}
            self.authorization = msgspec.structs.replace(self.authorization, groups=groups)

    def _replace(self, clause: Clause, written: Mapping[str, Any], changed: Sequence[Mapping[str, Any]]) -> None:
        source, index = clause.ref.source, clause.ref.index
        place = (source.arn or f"{source.holder} {source.name}", index)
        if place in self._edited:  # a managed policy that is attached, and inherited from a group too
            return
        self._edited.add(place)
        self.before.append({"policy": str(source), "statement": index, "is": written})
        self.after.append({"policy": str(source), "statement": index, "is": list(changed)})

        def edited(policy: Policy) -> Policy:
            statements = [
                put
                for each in policy.statements
                for put in (changed if each.index == index else [statement_document(each)])
            ]
            # Numbers stay those of the original, so that the next edit of the same policy finds its statement.
            parsed = _parsed(policy, statements)
            numbers = [each.index for each in policy.statements for _ in (changed if each.index == index else (0,))]
            renumbered = (
                msgspec.structs.replace(each, index=number)
                for each, number in zip(parsed.statements, numbers, strict=True)
            )
            return msgspec.structs.replace(parsed, statements=tuple(renumbered))

        if source.arn is not None:
            managed = self.authorization.policies[source.arn]
            if managed.policy is not None:
                policies = {
                    **self.authorization.policies,
                    source.arn: msgspec.structs.replace(managed, policy=edited(managed.policy)),
                }
                self.authorization = msgspec.structs.replace(self.authorization, policies=policies)
            self.shared.append(source.arn)
            return
        if source.holder == self.entity.arn:
            self._put_entity(_with_inline(self.entity, source.name, edited))
            return
        groups = {
            name: _with_inline(group, source.name, edited) if group.arn == source.holder else group
            for name, group in self.authorization.groups.items()
        }
        self.authorization = msgspec.structs.replace(self.authorization, groups=groups)


def _with_inline(entity: Any, name: str, edited: Callable[[Policy], Policy]) -> Any:
    inline = tuple(edited(each) if each.source.name == name else each for each in entity.inline)
    return msgspec.structs.replace(entity, inline=inline)


def _parsed(policy: Policy, statements: Sequence[Mapping[str, Any]]) -> Policy:
    return parse_policy({"Version": policy.version, "Statement": list(statements)}, source=policy.source)


def statement_document(statement: Statement) -> dict[str, Any]:
    """A statement as a policy document writes it."""
    written: dict[str, Any] = {"Sid": statement.sid} if statement.sid else {}
    written["Effect"] = statement.effect
    for name, principals in (("Principal", statement.principals), ("NotPrincipal", statement.not_principals)):
        if principals is not None:
            by_type: dict[str, list[str]] = {}
            for each in principals:
                by_type.setdefault(each.type, []).append(each.value)
            written[name] = (
                "*"
                if set(by_type) == {"*"}
                else {"AWS" if kind == "*" else kind: values for kind, values in by_type.items()}
            )
    for name, texts in (
        ("Action", statement.actions),
        ("NotAction", statement.not_actions),
        ("Resource", statement.resources),
        ("NotResource", statement.not_resources),
    ):
        if texts is not None:
            written[name] = list(texts)
    conditions: dict[str, dict[str, Any]] = {}
    for condition in statement.conditions:
        conditions.setdefault(condition.written, {})[condition.key] = list(condition.values)
    return {**written, "Condition": conditions} if conditions else written


def least_privilege(used: Mapping[str, tuple[str, ...] | None], permissions: Permissions) -> dict[str, Any]:
    """A policy document of the actions in use that the principal may do, by the resources that they were used on."""
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action, resources in used.items():
        if permissions.allows(action).possible:
            by_resources.setdefault(tuple(sorted(resources)) if resources else ("*",), []).append(canonical(action))
    statements = [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
        for resources, actions in sorted(by_resources.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _bits(actions: Iterable[str]) -> int:
    bits = 0
    for action in actions:
        bits |= matching(action)
    return bits


# --- fixes of trust -------------------------------------------------------------------------------------------------

_Document = dict[str, Any]


def _asking(written: _Document, key: str, value: str) -> _Document:
    conditions = {operator: dict(keys) for operator, keys in written.get("Condition", {}).items()}
    conditions = {
        operator: {each: values for each, values in keys.items() if each.lower() != key.lower()}
        for operator, keys in conditions.items()
    }
    conditions.setdefault("StringEquals", {})[key] = [value]
    return {**written, "Condition": {operator: keys for operator, keys in conditions.items() if keys}}


def _own_account(written: _Document, entry: Entry, account: str) -> _Document:
    del entry
    kept = {key: value for key, value in written.items() if key not in ("Principal", "NotPrincipal")}
    return {**kept, "Principal": {"AWS": [f"arn:aws:iam::{account}:root"]}}


def _external_id(written: _Document, entry: Entry, account: str) -> _Document:
    del entry, account
    return _asking(written, "sts:ExternalId", f"{_FILL_IN}UNIQUE-VALUE-AGREED-WITH-THE-THIRD-PARTY")


def _host(entry: Entry) -> str:
    return entry.text.partition(":oidc-provider/")[2] or entry.text.removeprefix("Federated: ")


def _subject(written: _Document, entry: Entry, account: str) -> _Document:
    del account
    host = _host(entry)
    value = _SUBJECTS.get(host, f"{_FILL_IN}SUBJECT")
    if host.startswith("oidc.eks."):
        value = f"system:serviceaccount:{_FILL_IN}NAMESPACE:SERVICE-ACCOUNT"
    return _asking(written, f"{host}:sub", value)


def _audience(written: _Document, entry: Entry, account: str) -> _Document:
    del account
    return _asking(written, f"{_host(entry)}:aud", "sts.amazonaws.com")


def _saml_audience(written: _Document, entry: Entry, account: str) -> _Document:
    del entry, account
    return _asking(written, "SAML:aud", "https://signin.aws.amazon.com/saml")


def _source_account(written: _Document, entry: Entry, account: str) -> _Document:
    del entry
    return _asking(written, "aws:SourceAccount", account)


def _without_principal(written: _Document, entry: Entry, account: str) -> _Document:
    del account
    principals = written["Principal"]
    left = {kind: [each for each in values if each != entry.text] for kind, values in principals.items()}
    left = {kind: values for kind, values in left.items() if values}
    return {**written, "Principal": left} if left else {}


_FIXES: Mapping[str, Callable[[_Document, Entry, str], _Document]] = {
    "iam-trust-anyone": _own_account,
    "iam-trust-not-principal": _own_account,
    "iam-trust-without-external-id": _external_id,
    "iam-trust-oidc-without-subject": _subject,
    "iam-trust-oidc-without-audience": _audience,
    "iam-trust-saml-without-audience": _saml_audience,
    "iam-trust-service-without-source": _source_account,
    "iam-trust-deleted-principal": _without_principal,
}
_FIX_WORDS: Mapping[str, str] = {
    "iam-trust-anyone": "Trust the account's own principals in place of everyone",
    "iam-trust-not-principal": "Trust the account's own principals in place of all who are not listed",
    "iam-trust-without-external-id": "Ask for an External ID",
    "iam-trust-oidc-without-subject": "Ask for the subject of the token",
    "iam-trust-oidc-without-audience": "Ask for the audience of the token",
    "iam-trust-saml-without-audience": "Ask for the audience of the sign-in",
    "iam-trust-service-without-source": "Ask for the account on whose behalf the service acts",
    "iam-trust-deleted-principal": "Take the deleted principal out of the trust policy",
}

from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise

import pytest
from ask_kit import LABELS, NAMES, NOW, ask
from hypothesis import example, given
from hypothesis import strategies as st

from trailwarden.ask import Interpretation, interpret
from trailwarden.ask.entities import Named, clean, mask
from trailwarden.ask.grammar import Piece, phrases, tokenize
from trailwarden.ask.names import REGION_NAMES, SERVICE_NAMES
from trailwarden.errors import NotUnderstood
from trailwarden.model.indicator import find_indicators

ENTITIES = [
    ("john@company.com", "USER", "john@company.com"),
    ("AKIAIOSFODNN7EXAMPLE", "KEY", "AKIAIOSFODNN7EXAMPLE"),
    ("ASIAIOSF…MPLE", "KEY", "ASIAIOSF*MPLE"),
    ("AKIAIOSF...", "KEY", "AKIAIOSF*"),
    ("185.220.101.1", "IP", "185.220.101.1"),
    ("2001:DB8::1", "IP", "2001:db8::1"),
    ("203.0.113.7/24", "IP", "203.0.113.0/24"),
    ("10.0.x.x", "IP", "10.0.*"),
    ("111111111111", "ACCOUNT", "111111111111"),
    ("account 1111…", "ACCOUNT", "1111*"),
    ("account prod", "ACCOUNT", "111111111111"),
    ("i-0123456789abcdef0", "INSTANCE", "i-0123456789abcdef0"),
    ("sg-0123456789abcdef0", "RESOURCE", "sg-0123456789abcdef0"),
    ("arn:aws:iam::111111111111:role/x/AdminRole", "ARN", "arn:aws:iam::111111111111:role/x/AdminRole"),
    ("6e882b9d-2af8-4c67-b91f-aeac6a0e5e70", "ID", "6e882b9d-2af8-4c67-b91f-aeac6a0e5e70"),
    ("ses-0123456789abcdef", "SESSION_ID", "ses-0123456789abcdef"),
    ("session ses-0123456789abcdef", "SESSION_ID", "ses-0123456789abcdef"),
    ("AROAIOSFODNN7EXAMPLE:john@company.com", "PRINCIPAL_ID", "AROAIOSFODNN7EXAMPLE:john@company.com"),
    ("session AROAIOSFODNN7EXAMPLE:deploy-12", "PRINCIPAL_ID", "AROAIOSFODNN7EXAMPLE:deploy-12"),
    ("AIDAIOSFODNN7EXAMPLE", "PRINCIPAL_ID", "AIDAIOSFODNN7EXAMPLE"),
    ("session ASIAIOSFODNN7EXAMPLE", "KEY", "ASIAIOSFODNN7EXAMPLE"),
    ("role web", "ROLE", "web"),
    ("table auth", "RESOURCE", "auth"),
    ("iam:CreateUser", "EVENT", "iam:CreateUser"),
    ("s3:*", "EVENT", "s3:*"),
    ("DeleteTrail", "EVENT", "DeleteTrail"),
    ("createuser", "EVENT", "CreateUser"),
    ("ConsoleLogin", "EVENT", "ConsoleLogin"),
    ("CreateRole", "EVENT", "CreateRole"),
    ("DeployRole", "ROLE", "DeployRole"),
    ("the AdminRole role", "ROLE", "AdminRole"),
    ("role deploy", "ROLE", "deploy"),
    ("user show-off", "USER", "show-off"),
    ("AWSReservedSSO_Admin_0123456789abcdef", "ROLE", "AWSReservedSSO_Admin_0123456789abcdef"),
    ("Frankfurt", "REGION", "eu-central-1"),
    ("N. Virginia", "REGION", "us-east-1"),
    ("us-gov-west-1", "REGION", "us-gov-west-1"),
    ("Secrets Manager", "SERVICE", "secretsmanager.amazonaws.com"),
    ("kms.amazonaws.com", "SERVICE", "kms.amazonaws.com"),
    ("the S3 service", "SERVICE", "s3.amazonaws.com"),
    ("AccessDenied", "ERROR_CODE", "AccessDenied"),
    ("Client.UnauthorizedOperation", "ERROR_CODE", "Client.UnauthorizedOperation"),
    ("bucket my-logs", "RESOURCE", "my-logs"),
    ('"any text, here"', "QUOTED", "any text, here"),
    ("user agent aws-cli", "AGENT", "*aws-cli*"),
    ("session deploy-12", "SESSION", "deploy-12"),
]


@pytest.mark.parametrize(("text", "kind", "value"), ENTITIES, ids=lambda value: str(value)[:40])
def test_a_name_or_id_is_found(text: str, kind: str, value: str) -> None:
    masked = mask(clean(f"calls {text} yesterday"), NAMES, LABELS)

    assert [(piece.type, piece.value.values) for piece in masked.pieces if piece.type != "TIME"] == [(kind, (value,))]


words = st.sampled_from(sorted({word for phrase in phrases() for word in phrase}))
entities = st.sampled_from([text for text, _, _ in ENTITIES if not text.endswith("..")])
times = st.sampled_from(["yesterday", "since Monday", "in the last 24 hours", "on 2026-11-03", "at 3 am", "UTC+2"])
odd = st.sampled_from(["frobnicate", "$(x)", "<b>", "'s", ",", "?", "--", "%", "\\", "jhon", "12", "ü", "…"])
salads = st.lists(words | entities | times | odd, max_size=14).map(" ".join)


@given(salads)
def test_masking_keeps_the_text_and_what_was_found_in_it(text: str) -> None:
    try:
        cleaned = clean(text)
        masked = mask(cleaned, NAMES, LABELS)
    except NotUnderstood:
        return
    pieces = tokenize(masked.text, masked.pieces)

    assert masked.text == cleaned
    assert all(cleaned[piece.start : piece.end] == piece.text for piece in pieces)
    assert all(one.end <= other.start for one, other in pairwise(pieces))
    left = "".join(cleaned[start:end] for start, end in _between(pieces, len(cleaned)))
    assert not any(character.isalnum() for character in left), left
    kept = {value for piece in masked.pieces if isinstance(piece.value, Named) for value in piece.value.values}
    quoted = {piece.text for piece in masked.pieces if piece.type == "QUOTED"}
    kept |= {value.partition(":")[2] for value in kept}
    keys = {found.value for found in find_indicators(cleaned) if found.kind in {"access_key", "email", "instance_id"}}
    assert keys <= kept | quoted


def _between(pieces: tuple[Piece, ...], length: int) -> Iterator[tuple[int, int]]:
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.end)), length]
    return zip(edges[::2], edges[1::2], strict=True)


@given(salads | st.text(max_size=200))
@example("john@company.com access root")
def test_word_salad_is_understood_or_refused(text: str) -> None:
    assert _answered(text, None)


@given(salads)
def test_a_follow_up_of_word_salad_is_understood_or_refused(text: str) -> None:
    assert _answered(text, ask("calls by jane in us-east-1 yesterday except from 203.0.113.0/24"))


def _answered(text: str, previous: Interpretation | None) -> str:
    try:
        return ask(text, previous).echo
    except NotUnderstood as refused:
        return refused.message


def test_the_tables_of_names_are_well_formed() -> None:
    assert all(name == name.lower() for name in (*REGION_NAMES, *SERVICE_NAMES))


def test_a_long_list_is_parsed_in_time() -> None:
    names = ", ".join(f"u{number}@x.io" for number in range(75))
    found = interpret(f"calls by {names} today", now=NOW, zone=UTC, vocabulary=NAMES)
    assert len(found.where.user) == 75

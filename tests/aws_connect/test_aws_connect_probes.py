"""Probes: only reads, and each one a call that the SDK really has."""

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from trailwarden.aws.probes import ALTERNATIVES, PROBES

READS = ("Get", "List", "Describe", "Lookup")


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x", region_name="us-east-1")


@pytest.mark.parametrize("action", PROBES)
def test_a_probe_only_reads(action: str) -> None:
    name = action.partition(":")[2]
    assert name.startswith(READS)
    assert PROBES[action].method.replace("_", "").lower() == name.lower()


def test_every_probe_is_a_call_that_the_sdk_accepts(session: boto3.Session) -> None:
    clients = {service: session.client(service) for service in {probe.service for probe in PROBES.values()}}
    for action, probe in PROBES.items():
        client = clients[probe.service]
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[probe.method])
        assert _problems(probe.arguments, model.input_shape) == "", action


def _problems(arguments: Mapping[str, Any], shape: Any) -> str:
    if shape is None:
        return "it takes no arguments" if arguments else ""
    return str(ParamValidator().validate(arguments, shape).generate_report())


def test_alternatives_can_be_probed() -> None:
    assert set(ALTERNATIVES) | set(ALTERNATIVES.values()) <= set(PROBES)

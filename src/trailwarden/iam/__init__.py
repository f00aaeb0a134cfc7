"""Reasoning about IAM: what policies allow. Pure: no I/O, no clock."""

from .evaluate import authorize
from .principals import RequestPrincipal, parse_principal
from .request import Decision, Policies, Request

__all__ = ["Decision", "Policies", "Request", "RequestPrincipal", "authorize", "parse_principal"]

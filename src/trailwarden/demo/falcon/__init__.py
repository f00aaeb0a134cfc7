"""A strict stand-in for CrowdStrike Falcon on 127.0.0.1, and the alerts of the incident's story in it.

It speaks the HTTP API: OAuth2 tokens that expire, alerts v2 with paging and cursor, hosts with their histories, limits,
scopes, and FQL as far as it is known here: anything else is refused, so that a wrong request is found out.
"""

from .server import FalconServer
from .tenant import ApiClient, Fault, Tenant, TenantLimits

__all__ = ["ApiClient", "FalconServer", "Fault", "Tenant", "TenantLimits"]

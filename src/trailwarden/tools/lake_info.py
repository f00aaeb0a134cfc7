"""What the lake holds."""

from ..installation import Installation
from ..lake.upkeep import LakeInfo, info
from ..tool import tool


@tool(effect="read", title="What the lake holds", examples=("trailwarden lake info",))
def lake_info(app: Installation) -> LakeInfo:
    """Records, months, accounts, Regions, sources, size on disk, and how much is in quarantine."""
    return info(app.lake)

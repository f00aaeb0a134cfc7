"""Settings of an installation: ``config.toml`` in its home, and the environment.

Every setting is a field here, with its default; ``docs/settings.md`` lists them and a test keeps the two equal.
"""

import os
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .errors import UsageError
from .model.time import parse_zone

HOME_VARIABLE = "TRAILWARDEN_HOME"


class GeneralSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[general]``."""

    time_zone: Annotated[
        str, Meta(description="Zone in which times without one are read and in which tables show times")
    ] = "UTC"


class AwsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[aws]``: where this installation's own credentials come from. Empty values leave it to the AWS SDK."""

    profile: Annotated[str, Meta(description="Profile of the AWS configuration; takes precedence over AWS_* keys")] = ""
    config_file: Annotated[str, Meta(description="AWS configuration file, instead of ~/.aws/config")] = ""
    credentials_file: Annotated[str, Meta(description="Shared credentials file, instead of ~/.aws/credentials")] = ""
    region: Annotated[str, Meta(description="Region of the first call to STS, where the SDK finds none")] = "us-east-1"


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: connections and, later, proposals and the audit chain."""

    url: Annotated[str, Meta(description="SQLAlchemy URL; empty means state.db in the home")] = ""
    kms_key: Annotated[str, Meta(description="ARN of a KMS key that wraps the key of secrets at rest")] = ""


class LakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[lake]``."""

    path: Annotated[str, Meta(description="Folder of the lake; empty means lake in the home")] = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    general: GeneralSettings = GeneralSettings()
    aws: AwsSettings = AwsSettings()
    state: StateSettings = StateSettings()
    lake: LakeSettings = LakeSettings()

    @property
    def zone(self) -> tzinfo:
        """The zone in which people read and write times."""
        return parse_zone(self.general.time_zone)


def default_home() -> Path:
    """``TRAILWARDEN_HOME``, else the platform's folder for application data."""
    if given := os.environ.get(HOME_VARIABLE):
        return Path(given).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415

    return user_data_path("trailwarden", appauthor=False)


def load_settings(home: Path) -> Settings:
    """The settings of the installation at ``home``; the defaults where it has no ``config.toml``.

    Raises:
        UsageError: not TOML, an unknown setting, or a value of the wrong type.
    """
    path = home / "config.toml"
    if not path.exists():
        return Settings()
    import tomllib  # noqa: PLC0415

    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = msgspec.convert(raw, Settings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"cannot use {path}: {error}", remedy="docs/settings.md lists every setting with its type"
        ) from error
    _ = settings.zone
    return settings

"""Settings of an installation: ``config.toml`` in its home, and the environment.

Every setting is a field here, with its default; ``docs/settings.md`` lists them and a test keeps the two equal.
"""

import os
import pwd
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


Texts = tuple[str, ...]


class RespondSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[respond]``: what an approval takes, what no action may touch, and for how long things hold."""

    two_approvers_for_irreversible: Annotated[
        bool, Meta(description="Two people must approve what cannot be undone")
    ] = False
    two_approvers_for_administrators: Annotated[
        bool, Meta(description="Two people must approve what is done to an administrator")
    ] = False
    reauthenticate_minutes: Annotated[
        int, Meta(ge=1, le=240, description="How recently an approver must have authenticated")
    ] = 15
    pending_hours: Annotated[int, Meta(ge=1, le=720, description="For how long a proposal waits for a decision")] = 24
    approved_minutes: Annotated[
        int, Meta(ge=1, le=1440, description="For how long an approval holds before the execution begins")
    ] = 60
    execution_minutes: Annotated[int, Meta(ge=1, le=1440, description="For how long steps may be begun")] = 60
    watch_hours: Annotated[
        int, Meta(ge=0, le=720, description="For how long the target is watched after an action; 0: not at all")
    ] = 24
    revoke_sessions: Annotated[
        bool, Meta(description="Allow revoke_sessions, whose iam:PutRolePolicy is as good as administrator access")
    ] = False
    protected_principals: Annotated[
        Texts, Meta(description="ARNs or names of users, roles and groups that no action touches; * is a wildcard")
    ] = ()
    protected_instances: Annotated[Texts, Meta(description="Ids of instances that no action touches")] = ()
    protected_tags: Annotated[Texts, Meta(description="Tags (key or key=value) of what no action touches")] = ()
    own_addresses: Annotated[Texts, Meta(description="One's own networks, which are never blocked")] = ()


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[console]``: where the console listens, how long its sessions last, and who else says who people are.

    The secret of the OpenID Connect client is in the environment alone.
    """

    host: Annotated[str, Meta(description="Address to listen on; others than 127.0.0.1 need a proxy for TLS")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=1, le=65535, description="Port to listen on")] = 8765
    public_url: Annotated[str, Meta(description="Address that browsers use, where it is another one")] = ""
    behind_proxy: Annotated[
        bool, Meta(description="A proxy in front ends TLS and says by X-Forwarded-* who connects")
    ] = False
    idle_minutes: Annotated[int, Meta(ge=1, le=1440, description="After how long without use a session ends")] = 30
    absolute_hours: Annotated[int, Meta(ge=1, le=168, description="After how long a session ends in any case")] = 12
    oidc_issuer: Annotated[str, Meta(description="Issuer of an OpenID Connect provider that people sign in with")] = ""
    oidc_client_id: Annotated[str, Meta(description="This installation's client id at that provider")] = ""


class AgentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[agent]``: the language model that may be asked, and what a question may take. Keys: in the environment."""

    model: Annotated[
        str, Meta(description="PROVIDER:MODEL: anthropic, bedrock, google, openai or openai-chat; empty: none")
    ] = ""
    url: Annotated[
        str, Meta(description="Address of a server of one's own that speaks as OpenAI's, for openai-chat models")
    ] = ""
    requests: Annotated[int, Meta(ge=1, le=100, description="Requests to the model for one question")] = 20
    tool_calls: Annotated[int, Meta(ge=1, le=500, description="Calls of tools for one question")] = 40
    tokens: Annotated[int, Meta(ge=1000, le=10_000_000, description="Tokens for one question, in and out")] = 400_000
    seconds: Annotated[int, Meta(ge=5, le=3600, description="Seconds for one question")] = 180


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    general: GeneralSettings = GeneralSettings()
    aws: AwsSettings = AwsSettings()
    state: StateSettings = StateSettings()
    lake: LakeSettings = LakeSettings()
    respond: RespondSettings = RespondSettings()
    console: ConsoleSettings = ConsoleSettings()
    agent: AgentSettings = AgentSettings()

    @property
    def zone(self) -> tzinfo:
        """The zone in which people read and write times."""
        return parse_zone(self.general.time_zone)


def this_os_user() -> str:
    """The user of the operating system as whom this process runs: not what the environment says of it."""
    return name_of_os_user(os.getuid())


def name_of_os_user(number: int) -> str:
    """What the operating system calls the user with this number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"


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

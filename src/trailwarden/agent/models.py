"""The model that the settings name. Keys are in the environment, as each provider's own SDK reads them."""

from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import MissingDependency, SetupError, UsageError
from ..settings import AgentSettings

if TYPE_CHECKING:
    from pydantic_ai.models import Model

#: Who serves a model, as its name begins, and where their SDK looks for credentials.
PROVIDERS: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "bedrock": "the AWS configuration, and AWS_DEFAULT_REGION",
    "google": "GOOGLE_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
}
_OWN = "openai-chat"


def model_named(settings: AgentSettings, name: str | None = None) -> str:
    """The name of the model that would be asked: ``name``, else the settings'. Nothing large is imported for it.

    Raises:
        SetupError: no model is set up.
        MissingDependency: ``trailwarden[agent]`` is not installed.
    """
    wanted = name or settings.model
    if not wanted:
        raise SetupError(
            "no language model is set up",
            remedy='[agent] model = "PROVIDER:MODEL" in config.toml; the rules of `trailwarden ask` need none',
        )
    if find_spec("pydantic_ai") is None:
        raise MissingDependency("the agent needs packages of its own", remedy="pip install 'trailwarden[agent]'")
    return wanted


def model_in_use(settings: AgentSettings, name: str | None = None, *, environ: Mapping[str, str]) -> "Model":
    """The model to ask: ``name``, else the settings'. Raises as :func:`model_named` and :func:`model_of` do."""
    wanted = model_named(settings, name)
    # Another model than that of the settings may be one that their address does not serve.
    url = settings.url if name is None or name.startswith(f"{_OWN}:") else ""
    return model_of(wanted, url=url, environ=environ)


def model_of(name: str, *, url: str = "", environ: Mapping[str, str]) -> "Model":
    """The model of that name, ``provider:model``; ``url`` is the address of a server of one's own that speaks as
    OpenAI's chat completions do (``http`` on this machine alone), which then is the only one that is called.

    Raises:
        UsageError: no such provider, or an address that is not HTTPS.
        SetupError: the provider's credentials are not there.
        MissingDependency: ``trailwarden[agent]`` is not installed.
    """
    provider, colon, model = name.partition(":")
    if not colon or not model or provider not in PROVIDERS:
        raise UsageError(
            f"not a model: {name[:100]!r}",
            remedy=f"[agent] model is PROVIDER:MODEL, with a provider of {', '.join(PROVIDERS)}",
        )
    try:
        from pydantic_ai.exceptions import UserError  # noqa: PLC0415
        from pydantic_ai.models import infer_model  # noqa: PLC0415

        if url:
            return _own_server(provider, model, _checked(url), environ)
        return infer_model(name)
    except ImportError as error:
        raise MissingDependency(
            f"what {provider} takes is not installed: {error.name}", remedy="pip install 'trailwarden[agent]'"
        ) from error
    except UserError as error:
        raise SetupError(f"cannot use {name}: {error}", remedy=f"credentials: {PROVIDERS[provider]}") from error


def _own_server(provider: str, model: str, url: str, environ: Mapping[str, str]) -> "Model":
    if provider != _OWN:
        raise UsageError(f"{provider} has an address of its own", remedy=f"with [agent] url, model is {_OWN}:MODEL")
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

    key = environ.get("OPENAI_API_KEY") or "none"  # servers of one's own often want none, the SDK always one
    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key=key))


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username or parts.password:
        shown = f"{parts.scheme}://{parts.hostname or ''}"[:200]  # without the password that it may hold
        raise UsageError(
            f"not an address to use: {shown!r}", remedy="[agent] url is like https://models.company.com/v1"
        )
    if parts.scheme == "http" and not _is_here(parts.hostname):
        raise UsageError(
            "questions and records would go over the network in clear", remedy="[agent] url must begin with https://"
        )
    return url


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

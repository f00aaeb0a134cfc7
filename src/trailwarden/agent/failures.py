"""What of a run failed, in words, and what to do about it."""

from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)

from .models import PROVIDERS

OUT_OF_TIME = "ask for less at once, or raise [agent] seconds"
_CREDENTIALS = ", ".join(dict.fromkeys(PROVIDERS.values()))
#: What failed and the remedy; the first row that fits counts. The last fits all that a run raises.
FAILURES: tuple[tuple[type[AgentRunError], str, str], ...] = (
    (
        UsageLimitExceeded, "the limits of one question are used up",
        "ask for less at once, or raise [agent] requests, tool_calls or tokens",
    ),
    (
        ModelAuthenticationError, "whoever serves the model refused the credentials",
        f"put valid ones into the environment, and start this program again: {_CREDENTIALS}",
    ),
    (ModelQuotaExceededError, "whoever serves the model says that the quota is used up", "raise it there"),
    (ModelRateLimitError, "whoever serves the model asks to slow down", "ask again in a minute"),
    (ModelNotFoundError, "whoever serves the model does not know it", "correct [agent] model, or url"),
    (
        ModelContextWindowExceededError, "the tools said more than the model can read",
        "ask about less: one person, one key, one day",
    ),
    (ModelRequestRejectedError, "whoever serves the model refused the request", "name a model that calls tools"),
    (ModelUnavailableError, "whoever serves the model is not able to answer now", "ask again later"),
    (ModelServerError, "whoever serves the model failed", "ask again later"),
    (ModelRequestTimeout, "the model did not answer in time", "ask again later"),
    (ModelConnectionError, "the model cannot be reached", "check the network, and [agent] url if it is set"),
    (ModelAPIError, "whoever serves the model failed", "ask again later"),
    (
        UnexpectedModelBehavior, "the model did not answer in the form that it was asked for",
        "ask again, or name a model that calls tools reliably in [agent] model",
    ),
    (AgentRunError, "the model failed", "ask again"),
)  # fmt: skip


def failure_of(error: AgentRunError) -> tuple[str, str]:
    """What failed, in words, and the remedy."""
    return next((said, remedy) for kind, said, remedy in FAILURES if isinstance(error, kind))

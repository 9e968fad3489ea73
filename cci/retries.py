"""The settings section ``retry``: after which causes a task is run again by itself, how often, with what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cci.causes import CAUSES, Retry, find_cause
from cci.errors import did_you_mean

Positive = Annotated[int, Field(gt=0)]


class RetryRule(BaseModel):
    """What to do after one cause."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(default=1, ge=0, le=20, description="How often a task is run again after this cause.")
    memory: float = Field(default=1, ge=1, le=10, description="By what the memory is multiplied each time.")
    walltime: float = Field(default=1, ge=1, le=10, description="By what the wall time is multiplied.")
    elsewhere: bool = Field(default=False, description="Whether the node is avoided, where a cluster can.")


#: What is done unless the settings say otherwise: nothing after a failure of the pipeline itself.
DEFAULT_RULES: Mapping[str, RetryRule] = {
    "out-of-memory": RetryRule(times=1, memory=1.5),
    "walltime": RetryRule(times=1, walltime=2),
    "node-failure": RetryRule(times=2, elsewhere=True),
}


class Retries(BaseModel):
    """Automatic retries: a rule for each cause, by its code, and how far they may go."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, RetryRule] = Field(init=False)

    max_memory_mb: Positive | None = Field(
        default=None, description="Most memory that a retry asks for, in MB; default: no cap of its own."
    )
    max_walltime: timedelta | None = Field(
        default=None, description="Longest wall time that a retry asks for; default: no cap of its own."
    )

    @model_validator(mode="before")
    @classmethod
    def _by_code(cls, raw: Any) -> Any:
        """Take the other keys for causes, by their codes."""
        if not isinstance(raw, Mapping):
            return raw
        return {key if key in cls.model_fields else _code(str(key)): value for key, value in raw.items()}

    def rule(self, code: str) -> RetryRule | None:
        """Return the rule for a cause: its own, that of all exit statuses or signals, or the default."""
        family = f"{code.partition('-')[0]}-N" if code not in CAUSES and find_cause(code) else code
        rules = self.__pydantic_extra__
        return rules.get(code) or rules.get(family) or DEFAULT_RULES.get(code)


def _code(word: str) -> str:
    """Return the code that a key means; one that is unlike all that we know may be a pipeline's own.

    Raises
    ------
    ValueError
        If it is no code, or one after which nothing is to run by itself.
    """
    cause = find_cause(word)
    if cause is None:
        maybe = did_you_mean(word, CAUSES)
        if maybe or "-" not in word:
            raise ValueError(f"there is no cause '{word}'{maybe}")
        return word
    if cause.retry is Retry.NEVER:
        raise ValueError(f"{word}: what a person ended is not run again by itself")
    return cause.code

"""Automatic retries, decided as a table, and the settings that rule them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.trivial_processors import CopyProcessor

from cci import settings
from cci.daemon.retrying import Again, Request, from_json, next_attempt, to_json, with_request
from cci.errors import SettingsError
from cci.retries import Retries

ASKED = Request(memory_mb=4096, walltime_s=3600)
LADDER = Retries.model_validate(
    {
        "out-of-memory": {"times": 2, "memory": 1.5},
        "walltime": {"times": 1, "walltime": 2},
        "exit-N": {"times": 1},
        "exit-75": {"times": 3},
        "max_memory_mb": 8000,
        "max_walltime": "01:30:00",
    }
)
Case = tuple[str, dict[str, Any], Request, str]

FOLLOWED: dict[str, Case] = {
    "more memory": (
        "out-of-memory",
        {"rules": Retries()},
        Request(memory_mb=6144, walltime_s=3600),
        "attempt 2 with 6144 MB after out-of-memory",
    ),
    "a longer wall time": (
        "walltime",
        {"rules": Retries()},
        Request(memory_mb=4096, walltime_s=7200),
        "attempt 2 with a wall time of 2:00:00 after walltime",
    ),
    "another node": (
        "node-failure",
        {"rules": Retries(), "node": "n7", "asked": Request(memory_mb=1, walltime_s=1, avoid=("n1",))},
        Request(memory_mb=1, walltime_s=1, avoid=("n1", "n7")),
        "attempt 2 elsewhere than on n1, n7 after node-failure",
    ),
    "no node is known": (
        "node-failure",
        {"rules": Retries()},
        ASKED,
        "attempt 2 after node-failure",
    ),
    "up to the cap": (
        "out-of-memory",
        {"asked": Request(memory_mb=6144, walltime_s=3600), "earlier": ["out-of-memory"], "number": 2},
        Request(memory_mb=8000, walltime_s=3600),
        "attempt 3 with 8000 MB after out-of-memory",
    ),
    "a cause of its own": (
        "walltime",
        {"earlier": ["out-of-memory", "out-of-memory"], "number": 3},
        Request(memory_mb=4096, walltime_s=5400),
        "attempt 4 with a wall time of 1:30:00 after walltime",
    ),
    "all exit statuses": ("exit-3", {}, ASKED, "attempt 2 after exit-3"),
    "one exit status": ("exit-75", {"earlier": ["exit-75", "exit-75"]}, ASKED, "attempt 2 after exit-75"),
    "a lost job": ("lost", {"never_began": True, "max_restarts": 1}, ASKED, "attempt 2 after lost"),
}

ENDED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a pipeline error": ("exit-3", {"rules": Retries()}, ""),
    "a pipeline's own cause": ("corrupt-image", {}, ""),
    "a person": ("killed-by-user", {}, ""),
    "often enough": (
        "out-of-memory",
        {"asked": Request(memory_mb=7000, walltime_s=1), "earlier": ["out-of-memory"] * 2},
        "given up after 3 attempts, the last with 7000 MB",
    ),
    "one rule for all exit statuses": ("exit-4", {"earlier": ["exit-3"]}, "given up after 2 attempts"),
    "at the cap": (
        "out-of-memory",
        {"asked": Request(memory_mb=8000, walltime_s=1)},
        "it asked for 8000 MB already, and retry.max_memory_mb allows no more",
    ),
    "above the cap": (
        "walltime",
        {"asked": Request(memory_mb=1, walltime_s=7200)},
        "it asked for 2:00:00 already, and retry.max_walltime allows no more",
    ),
    "switched off": ("walltime", {"rules": Retries.model_validate({"walltime": {"times": 0}})}, ""),
    "lost too often": (
        "lost",
        {"never_began": True, "max_restarts": 1, "earlier": ["lost"]},
        "2 jobs were lost",
    ),
    "lost, and no restart is allowed": ("lost", {"never_began": True, "max_restarts": 0}, ""),
}


def _decided(cause: str, given: dict[str, Any]) -> Again | str:
    defaults = {"asked": ASKED, "rules": LADDER, "number": 1}
    return next_attempt(cause, **{**defaults, **given})


@pytest.mark.parametrize("case", FOLLOWED)
def test_followed_by_another_attempt(case: str) -> None:
    """After such a cause another attempt follows, and says what is different."""
    cause, given, request, words = FOLLOWED[case]
    causes = (*given.get("earlier", ()), cause)

    assert Again(request=request, causes=causes, words=words) == _decided(cause, given)


@pytest.mark.parametrize("case", ENDED)
def test_not_followed(case: str) -> None:
    """After such a cause the task waits for a person, and the reason says why nothing follows."""
    cause, given, why = ENDED[case]

    assert why == _decided(cause, given)


def test_kept_in_the_ledger() -> None:
    """A decision is the same when it is read back."""
    again = Again(request=Request(memory_mb=1, walltime_s=2, avoid=("n1",)), causes=("lost",), words="w")

    assert again == from_json(to_json(again))


@pytest.mark.parametrize(("configured", "expected"), [(64, 6144), (8000, 8000)])
def test_the_larger_request_counts(configured: int, expected: int) -> None:
    """A processor asks for what was decided; settings that ask for more by now win."""
    again = Again(request=Request(memory_mb=6144, walltime_s=60), causes=("out-of-memory",), words="w")
    processor = CopyProcessor(memory_mb=configured)
    changed = with_request(processor, again)

    assert (expected, configured) == (changed.memory_mb, processor.memory_mb)
    assert max(processor.walltime, timedelta(seconds=60)) == changed.walltime


# -- settings -------------------------------------------------------------------------------------------

ARCHIVE = {"url": "https://xnat.example.org"}


def test_rules_are_read() -> None:
    """A rule replaces the default of its cause and leaves the others alone."""
    retry = settings.build({"archive": ARCHIVE, "retry": {"walltime": {"times": 0}, "signal-11": {}}}).retry
    found = {
        code: rule.times for code in ("walltime", "signal-11", "node-failure") if (rule := retry.rule(code))
    }

    assert {"walltime": 0, "signal-11": 1, "node-failure": 2} == found
    assert None is retry.rule("signal-9")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("out-of-memry", {}, "there is no cause 'out-of-memry'; did you mean 'out-of-memory'?"),
        ("sometimes", {}, "there is no cause 'sometimes'"),
        ("killed-by-user", {}, "killed-by-user: what a person ended is not run again by itself"),
        ("walltime", {"time": 3}, "retry.walltime.time"),
        ("walltime", {"walltime": 0.5}, "retry.walltime.walltime"),
        ("max_memory_mb", 0, "retry.max_memory_mb"),
    ],
)
def test_mistakes_are_told(key: str, value: object, words: str) -> None:
    """A wrong cause or value is refused, and named as it stands in the file."""
    with pytest.raises(SettingsError) as refused:
        settings.build({"archive": ARCHIVE, "retry": {key: value}})

    assert words in refused.value.message


def test_a_pipeline_may_have_its_own_causes() -> None:
    """A rule may name a code that only a lab's pipeline gives."""
    retry = settings.build({"archive": ARCHIVE, "retry": {"scanner-was-cold": {"times": 2}}}).retry
    rule = retry.rule("scanner-was-cold")

    assert rule is not None
    assert 2 == rule.times

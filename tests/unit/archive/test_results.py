"""Results that are kept for paging: which, and for how long."""

from __future__ import annotations

import time

import pytest

from cci.archive.errors import Gone
from cci.archive.results import Result, ResultCache


def result(rows: int = 1, age_s: float = 0.0) -> Result:
    """Return a result of so many rows, made so many seconds ago."""
    return Result(owner="me", headers=["a"], rows=[["x"]] * rows, made=time.monotonic() - age_s)


def kept(cache: ResultCache, names: list[str]) -> list[bool]:
    """Return for each of these results whether it is still there."""
    return [name in cache.results for name in names]


def test_for_an_hour() -> None:
    """A result is there for an hour."""
    cache = ResultCache()
    young, old = cache.keep(result(age_s=3500)), cache.keep(result(age_s=3700))
    assert 1 == len(cache.get(young).rows)
    with pytest.raises(Gone):
        cache.get(old)


def test_the_latest_twenty() -> None:
    """Of many results the oldest go."""
    cache = ResultCache()
    names = [cache.keep(result()) for _ in range(22)]
    assert [False] * 2 + [True] * 20 == kept(cache, names)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((100_000, 100_000), [True, True]),
        ((100_000, 100_000, 1), [False, True, True]),
        ((1, 300_000), [False, True]),
        ((300_000, 1), [False, True]),
    ],
)
def test_large_results(sizes: tuple[int, ...], expected: list[bool]) -> None:
    """Large results push older ones out, so that searches do not fill the memory; the latest one stays."""
    cache = ResultCache()
    names = [cache.keep(result(rows=size)) for size in sizes]
    assert expected == kept(cache, names)

"""What attempts asked for beside what they used, and what is suggested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cci.daemon.efficiency import (
    Request,
    Row,
    Sample,
    advise,
    clock,
    count_causes,
    percentile,
    settings_lines,
    table,
)

ASKED = Request(memory=8000, walltime=4 * 3600, cores=1)
#: As many as the example in the documentation has.
MANY = 40


def sample(**values: Any) -> Sample:
    """Return an attempt that ended well and used what is usual."""
    defaults: dict[str, Any] = {
        "processor": "qa",
        "cluster": "sge",
        "asked": ASKED,
        "memory_mb": 7000.0,
        "wall_s": 10_000.0,
        "cpu_s": 9_500.0,
    }
    return Sample(**{**defaults, **values})


def samples(resource: str, used: Sequence[float | None], **values: Any) -> list[Sample]:
    """Return an attempt for each amount."""
    return [sample(**{resource: one, **values}) for one in used]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 95, 5.0),
        ([1.0, 2.0], 95, 2.0),
        ([1.0, 2.0], 50, 1.0),
        ([float(one) for one in range(100, 0, -1)], 95, 95.0),
        ([float(one) for one in range(1, 21)], 95, 19.0),
    ],
)
def test_percentile(values: list[float], percent: float, expected: float) -> None:
    """The nearest rank: a value that was seen, which so many do not exceed."""
    assert expected == percentile(values, percent)


def test_rows() -> None:
    """Each processor has a row on each cluster for each resource; failed attempts are not measured."""
    found = table(
        [
            *samples("memory_mb", [1000.0, 2000.0, 4000.0, None]),
            sample(memory_mb=7999.0, cause="exit-1"),
            sample(cluster="local", memory_mb=800.0, asked=Request(memory=1000, walltime=3600, cores=4)),
        ],
        {},
    )
    memory = {row.cluster: row for row in found if row.resource == "memory"}

    assert [("local", "memory"), ("local", "walltime"), ("local", "cores")] == [
        (row.cluster, row.resource) for row in found[:3]
    ]
    assert 6 == len(found)
    assert memory["sge"] == Row(
        processor="qa",
        cluster="sge",
        resource="memory",
        attempts=5,
        measured=3,
        asked=8000,
        median=2000,
        p95=4000,
        most=4000,
        efficiency=25,
    )
    assert (1000, 80) == (memory["local"].asked, memory["local"].efficiency)


def test_a_row_without_measures() -> None:
    """Where nothing ended well, or nobody measured, there is a row without figures."""
    (row, *_) = table([sample(cause="exit-1")], {})
    assert (1, 0, None, None, None, None) == (
        row.attempts,
        row.measured,
        row.median,
        row.p95,
        row.most,
        row.efficiency,
    )


def test_efficiency_is_of_what_each_asked() -> None:
    """A request that was changed meanwhile does not change how well earlier attempts used theirs."""
    (row, *_) = table(samples("memory_mb", [4000.0] * 3), {"qa": Request(memory=5000, walltime=1, cores=1)})
    assert (5000, 50) == (row.asked, row.efficiency)


def test_cores() -> None:
    """Of cores, what counts is how many were busy on average."""
    busy = sample(asked=Request(memory=1, walltime=1, cores=4), wall_s=100.0, cpu_s=200.0)
    row = table([busy], {})[2]
    assert ("cores", 4, 2.0, 50) == (row.resource, row.asked, row.median, row.efficiency)
    assert None is table([sample(wall_s=0.0)], {})[2].median


MEMORY_95 = [2000.0] * 20 + [2100.0] * 18 + [2300.0] * 2
#: What was seen, and what is said of it.
ADVICE: dict[str, tuple[list[Sample], list[tuple[str, float | None, str]]]] = {
    "too much memory": (
        samples("memory_mb", MEMORY_95),
        [
            (
                "memory",
                2500,
                "ask for 2500 MB instead of 8000 MB: 95 % of 40 attempts used at most 2100 MB, one 2300 MB",
            )
        ],
    ),
    "never below what one used": (
        samples("memory_mb", [1000.0] * 39 + [5000.0]),
        [
            (
                "memory",
                5500,
                "ask for 5500 MB instead of 8000 MB: 95 % of 40 attempts used at most 1000 MB, one 5000 MB",
            )
        ],
    ),
    "near its limit": (
        samples("memory_mb", [7900.0] * 6),
        [("memory", 9500, "ask for 9500 MB instead of 8000 MB: 95 % of 6 attempts used at most 7900 MB")],
    ),
    "out of memory": (
        [*samples("memory_mb", [1000.0] * 8), *samples("memory_mb", [8000.0] * 2, cause="out-of-memory")],
        [("memory", 12000, "ask for 12000 MB instead of 8000 MB: 2 of 10 attempts ran out of memory")],
    ),
    "out of memory with few attempts": (
        samples("memory_mb", [8000.0], cause="out-of-memory"),
        [("memory", 12000, "ask for 12000 MB instead of 8000 MB: 1 of 1 attempts ran out of memory")],
    ),
    "out of less memory than today's": (
        [
            sample(cause="out-of-memory", asked=Request(memory=4000, walltime=4 * 3600, cores=1)),
            *samples("memory_mb", [7000.0] * 8),
        ],
        [("", None, "asks for what it needs")],
    ),
    "ended at the wall time": (
        [*samples("wall_s", [10_000.0] * 8), sample(wall_s=14_400.0, cause="walltime")],
        [
            (
                "walltime",
                21_600,
                "ask for 06:00:00 instead of 04:00:00: 1 of 9 attempts were ended at their wall time",
            )
        ],
    ),
    "too much wall time": (
        samples("wall_s", [600.0, 700.0, 800.0, 900.0, 1000.0], cpu_s=600.0),
        [
            (
                "walltime",
                1500,
                "ask for 00:25:00 instead of 04:00:00: 95 % of 5 attempts used at most 00:16:40",
            )
        ],
    ),
    "too many cores": (
        [sample(asked=Request(memory=8000, walltime=4 * 3600, cores=8)) for _ in range(5)],
        [("cores", 1, "ask for 1 core instead of 8 cores: 95 % of 5 attempts kept at most 0.9 busy")],
    ),
    "little to spare": (samples("memory_mb", [6000.0] * 5), [("", None, "asks for what it needs")]),
    "few": (
        samples("memory_mb", [100.0] * 4),
        [("", None, "too few attempts ended well for a suggestion: 4, and 5 are needed")],
    ),
    "none ended well": (
        samples("memory_mb", [100.0] * 9, cause="exit-1"),
        [("", None, "too few attempts ended well for a suggestion: 0, and 5 are needed")],
    ),
    "nothing measured": (
        samples("memory_mb", [None] * 9, wall_s=None, cpu_s=None),
        [("", None, "of 9 attempts that ended well nobody measured what they used")],
    ),
}


@pytest.mark.parametrize("row", ADVICE)
def test_advice(row: str) -> None:
    """Less where much is spared and nobody fails for it; more where a limit was met; else a reason."""
    given, expected = ADVICE[row]
    assert expected == [(one.resource, one.value, one.words) for one in advise(given, {})]


def test_advice_is_of_the_request_now() -> None:
    """What the settings ask for now is compared; a suggestion that was followed is not made again."""
    now = {"qa": Request(memory=2500, walltime=4 * 3600, cores=1)}
    assert [None] == [one.value for one in advise(samples("memory_mb", MEMORY_95), now)]


def test_clusters_share_a_request() -> None:
    """A processor has one request for all clusters: the hungriest decides."""
    both = [*samples("memory_mb", [1000.0] * 9), *samples("memory_mb", [3000.0] * 9, cluster="slurm")]
    assert [3600] == [one.value for one in advise(both, {})]


@pytest.mark.parametrize("used", [10.0, 99.0, 101.0, 333.0, 999.0, 1049.0, 9999.0, 12345.0])
def test_no_suggestion_is_below_what_was_used(used: float) -> None:
    """However it is rounded, what is suggested is more than any good attempt used."""
    asked = Request(memory=10 * used + 1000, walltime=10 * used + 10_000, cores=10 * used)
    given = [sample(asked=asked, memory_mb=used, wall_s=used, cpu_s=used * used) for _ in range(9)]
    values = {one.resource: one.value for one in advise(given, {})}
    assert {"memory", "walltime", "cores"} == set(values)
    assert [] == [name for name, value in values.items() if value is None or value < used]


def test_settings_lines() -> None:
    """The lines can be pasted: a processor once, with all that changes; nothing where nothing does."""
    given = [
        *samples("memory_mb", MEMORY_95),
        *[
            sample(
                processor="tensor", wall_s=60.0, cpu_s=60.0, asked=Request(memory=7000, walltime=1e5, cores=9)
            )
            for _ in range(5)
        ],
    ]
    expected = """\
processors:
  qa:
    memory_mb: 2500
  tensor:
    memory_mb: 8400
    walltime: "00:05:00"
    cores: 1"""
    assert expected == settings_lines(advise(given, {}))
    assert "" == settings_lines(advise([sample()], {}))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "00:00:00"), (59.6, "00:01:00"), (3661, "01:01:01"), (360_000, "100:00:00")]
)
def test_clock(seconds: float, expected: str) -> None:
    """Hours, minutes, seconds, as the settings take them."""
    assert expected == clock(seconds)


def test_causes() -> None:
    """Failed attempts are counted by cause."""
    given = [sample(), *(sample(cause=cause) for cause in ("exit-1", "walltime", "exit-1"))]
    assert {("qa", "sge"): {"exit-1": 2, "walltime": 1}} == count_causes(given)

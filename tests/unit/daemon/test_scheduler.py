"""When the daemon does what, and how it sees that a step overruns or hangs. No test waits for a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from cci.daemon.scheduler import Step, Watchdog, make_scheduler, make_trigger
from cci.errors import SettingsError

#: A Sunday, at noon.
SUNDAY = datetime(2024, 5, 5, 12, 0, tzinfo=UTC)


def next_time(text: str, after: datetime = SUNDAY) -> datetime:
    """Return when a schedule comes next."""
    trigger = make_trigger(text)
    trigger.jitter = None
    found = trigger.get_next_fire_time(after, after)
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    ("text", "seconds", "jitter"),
    [
        ("30s", 30, 1),
        ("10m", 600, 30),
        (" 1 h ", 3600, 180),
        ("2d", 2 * 86400, 8640),
        ("1s", 1, 1),
    ],
)
def test_intervals(text: str, seconds: int, jitter: int) -> None:
    """A number and a unit are an interval, shaken by a twentieth so that daemons do not meet."""
    trigger = make_trigger(text)
    assert (timedelta(seconds=seconds), jitter) == (trigger.interval, trigger.jitter)


def on(day: int, hour: int = 2, minute: int = 0) -> datetime:
    """Return a time in that May, in which the 5th is a Sunday."""
    return datetime(2024, 5, day, hour, minute, tzinfo=UTC)


CRON = {
    "0 2 * * *": on(6),
    "*/15 * * * *": on(5, 12, 15),
    "0 2 10 * *": on(10),
    "0 2 * * 1": on(6),
    "0 2 * * mon": on(6),
    "0 2 * * 6": on(11),
    "0 2 * * 0": on(12),
    "0 2 * * 7": on(12),
    "0 2 * * 1-5": on(6),
    "0 2 * * 2-4": on(7),
    "0 2 * * 5-7": on(10),
    "0 2 * * 3,5": on(8),
    "0 2 * * */3": on(8),
    "0 2 * * 0-6/2": on(7),
    "0 2 * * sun": on(12),
    "0 2 * * Wed-Fri": on(8),
}


@pytest.mark.parametrize("text", CRON)
def test_cron_expressions(text: str) -> None:
    """Five fields mean what crontab(5) says, in UTC: of days of the week 0 and 7 are Sunday."""
    assert CRON[text] == next_time(text)


NO_SCHEDULE = ["", "10", "10 minutes", "m", "-5m", "0m", "0s", "1.5h", "* * *", "99 * * * *"]
NO_DAY = ["0 2 * * 8", "0 2 * * 5-3", "0 2 * * 1-9", "0 2 * * */0", "0 2 * * someday"]


@pytest.mark.parametrize("text", NO_SCHEDULE + NO_DAY)
def test_what_is_no_schedule(text: str) -> None:
    """The refusal names the setting and what was written, and shows how to write it."""
    with pytest.raises(SettingsError, match=r"timing\.sweep: .* is no schedule") as caught:
        make_trigger(text)
    assert (True, "write an interval such as '10m', or five cron fields") == (
        f"'{text}'" in caught.value.message,
        caught.value.hint,
    )


# -- the watchdog -------------------------------------------------------------------------------------


def step(run: Callable[[], object], *, deadline_s: float = 10) -> Step:
    """Return a step that the watchdog may see."""
    return Step(name="watch", run=run, trigger=make_trigger("10m"), deadline_s=deadline_s, executor="poll")


@pytest.mark.parametrize(
    ("after_s", "late", "hangs"),
    [(0, [], False), (10, [], False), (11, [1.1], False), (20, [2.0], False), (21, [2.1], True)],
)
def test_a_step_that_overruns(after_s: float, late: list[float], hangs: bool) -> None:
    """Past its deadline a step is late; past twice that it hangs for good."""
    watchdog = Watchdog(started={"watch": 100.0}, deadlines={"watch": 10.0})
    with capture_logs():
        times = [round(times, 6) for _, times in watchdog.overrun(100 + after_s)]
        assert (late, hangs) == (times, watchdog.look(100 + after_s))


def test_an_overrun_is_told_once() -> None:
    """However often the watchdog looks, one line tells of one overrun."""
    watchdog = Watchdog(started={"watch": 100.0}, deadlines={"watch": 10.0})
    with capture_logs() as lines:
        for at in (112, 113, 114):
            watchdog.look(at)
    assert [("step overruns its deadline", "watch")] == [(line["event"], line["step"]) for line in lines]


def test_a_step_is_seen_while_it_runs() -> None:
    """The watchdog knows a step from its beginning to its end."""
    watchdog = Watchdog()
    seen: list[list[str]] = []
    run = watchdog.guard(step(lambda: seen.append(list(watchdog.started))))
    run()
    assert ([["watch"]], {}, {"watch": 10}) == (seen, watchdog.started, watchdog.deadlines)


def test_the_next_overrun_of_a_step_is_told_again() -> None:
    """After a step has ended, its next overrun is news."""
    watchdog = Watchdog(started={"watch": 100.0}, deadlines={"watch": 10.0}, told={"watch"})
    watchdog.guard(step(lambda: None))()
    assert set() == watchdog.told


def test_a_failed_step_is_not_the_end() -> None:
    """What a step raises is logged, and the step comes again at its next time."""
    watchdog = Watchdog()

    def fail() -> None:
        raise OSError("no such luck")

    with capture_logs() as lines:
        watchdog.guard(step(fail))()
    assert ([("step failed", "watch")], {}) == (
        [(line["event"], line["action"]) for line in lines],
        watchdog.started,
    )


def test_the_scheduler_loses_no_run_and_overlaps_none() -> None:
    """Late runs are made up for by one, and no step runs beside itself."""
    scheduler = make_scheduler([step(lambda: None)], Watchdog())
    scheduler.start(paused=True)
    (job,) = scheduler.get_jobs()
    scheduler.shutdown()
    assert (True, 1, None, "poll", "UTC") == (
        job.coalesce,
        job.max_instances,
        job.misfire_grace_time,
        job.executor,
        str(scheduler.timezone),
    )

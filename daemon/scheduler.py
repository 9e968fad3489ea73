"""The daemon: APScheduler decides when, the plain functions of ``steps`` do the work.

APScheduler keeps nothing that must survive: schedules are made anew from the settings, durable state is in
the ledger and in the archive. A step that overruns its deadline is told to the operator; one that hangs for
twice as long ends the process, which systemd starts again, and nothing is lost by that.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from cci.daemon import steps
from cci.daemon.sweep import SweepOptions
from cci.daemon.workplace import Workplace
from cci.errors import SettingsError
from cci.settings import INTERVAL, Timing

log = structlog.get_logger()

#: How long the daemon takes to stop at most; systemd's TimeoutStopSec is longer.
STOP_S = 25.0
#: How often the watchdog looks.
WATCHDOG_S = 5.0
EXIT_HUNG = 70
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NUMBERS = re.compile(r"(?:\*(?=/)|(\d+)(?:-(\d+))?)(?:/(\d+))?\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def make_trigger(text: str) -> Any:
    """Read an interval such as ``10m``, or a cron expression of five fields, in UTC.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    found = INTERVAL.match(text.strip())
    if found and int(found[1]):
        seconds = int(found[1]) * _UNITS[found[2]]
        # jitter: several daemons must not meet at the archive every time
        return IntervalTrigger(seconds=seconds, jitter=max(1, seconds // 20), timezone="UTC")
    try:
        *times, days = text.split() or [""]
        return CronTrigger.from_crontab(" ".join([*times, _days_of_week(days)]), timezone="UTC")
    except ValueError as error:
        hint = "write an interval such as '10m', or five cron fields"
        raise SettingsError(f"timing.sweep: '{text}' is no schedule: {error}", hint=hint) from error


def _days_of_week(field: str) -> str:
    """Give days of the week their names: crontab(5) counts them from Sunday, APScheduler from Monday."""
    return ",".join(day for part in field.split(",") for day in _named_days(part))


def _named_days(part: str) -> list[str]:
    found = _DAY_NUMBERS.match(part)
    if not found:
        # names and the star mean the same to both
        return [part]
    first, last, step = int(found[1] or 0), int(found[2] or found[1] or 6), int(found[3] or 1)
    if not first <= last <= 7:
        raise ValueError(f"'{part}' are no days of the week")
    return [_DAYS[day] for day in range(first, last + 1, step)]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step with its schedule and deadline, in seconds."""

    name: str
    run: Callable[[], object]
    trigger: Any
    deadline_s: float
    executor: str


def steps_of(workplace: Workplace, projects: Sequence[str], options: SweepOptions) -> list[Step]:
    """Return what the daemon repeats."""
    timing: Timing = workplace.settings.timing

    def every(seconds: float) -> Any:
        return IntervalTrigger(seconds=seconds, jitter=seconds / 10, timezone="UTC")

    def step(name: str, run: Callable[[], object], trigger: Any, deadline_s: float, executor: str) -> Step:
        return Step(name=name, run=run, trigger=trigger, deadline_s=deadline_s, executor=executor)

    return [
        step(
            "sweep",
            lambda: steps.sweep_step(workplace, projects, options),
            make_trigger(timing.sweep),
            4 * 3600,
            "walk",
        ),
        step("fill", lambda: steps.fill_step(workplace), every(timing.watch_s), 2 * 3600, "walk"),
        step("begin", lambda: steps.begin_step(workplace), every(timing.retry_s), 2 * 3600, "walk"),
        step("watch", lambda: steps.watch_step(workplace), every(timing.watch_s), 600, "poll"),
        step("outbox", lambda: steps.outbox_step(workplace), every(timing.outbox_s), 1800, "poll"),
        step("collect", lambda: steps.collect_step(workplace), every(timing.collect_s), 4 * 3600, "upload"),
    ]


@dataclass
class Watchdog:
    """Knows which steps run since when, and what overruns."""

    started: dict[str, float] = field(default_factory=dict)
    deadlines: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def guard(self, step: Step) -> Callable[[], None]:
        """Return the step as a function that the watchdog sees."""
        self.deadlines[step.name] = step.deadline_s

        def run() -> None:
            with self.lock:
                self.started[step.name] = time.monotonic()
            try:
                step.run()
            except Exception:
                # one failed step is not the end: it comes again at its next time
                log.exception("step failed", action=step.name)
            finally:
                with self.lock:
                    self.started.pop(step.name, None)
                    self.told.discard(step.name)

        return run

    def overrun(self, at: float) -> list[tuple[str, float]]:
        """Return running steps that are past their deadline, with by how many times."""
        with self.lock:
            late = [(name, (at - since) / self.deadlines[name]) for name, since in self.started.items()]
        return [(name, times) for name, times in late if times > 1]

    def look(self, at: float) -> bool:
        """Tell of each overrun once; return whether something hangs for good."""
        late = self.overrun(at)
        for name, _ in late:
            if name not in self.told:
                self.told.add(name)
                log.error("step overruns its deadline", action="watchdog", step=name)
        return any(times > 2 for _, times in late)


def make_scheduler(planned: Sequence[Step], watchdog: Watchdog) -> BackgroundScheduler:
    """Set APScheduler up the way that loses no run and overlaps none."""
    scheduler = BackgroundScheduler(
        executors={name: ThreadPoolExecutor(4) for name in ("walk", "poll", "upload")},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    for step in planned:
        scheduler.add_job(
            watchdog.guard(step), step.trigger, id=step.name, name=step.name, executor=step.executor
        )
    scheduler.add_listener(_tell, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    return scheduler


def _tell(event: Any) -> None:
    # a step that is still running when its next turn comes is normal for sweeps; it is worth a line, no more
    log.debug("scheduler event", action="scheduler", step=event.job_id, event_code=event.code)


def run_daemon(workplace: Workplace, projects: Sequence[str], options: SweepOptions) -> int:
    """Run until `Workplace.stopping` is set; return the exit code.

    The order of stopping: no step begins any more; running steps see the flag between two items and at
    their next network wait; after `STOP_S` seconds what still runs is cut, which the ledger allows anywhere.
    """
    watchdog = Watchdog()
    planned = steps_of(workplace, projects, options)
    scheduler = make_scheduler(planned, watchdog)
    scheduler.start()
    log.info("daemon started", action="start", pid=os.getpid(), instance=workplace.ledger.instance)
    # what an earlier process left open comes first, at once
    for name in ("begin", "watch", "collect", "outbox", "sweep"):
        scheduler.modify_job(name, next_run_time=_now())
    hung = _wait(workplace, scheduler, watchdog)
    workplace.stopping.set()
    scheduler.shutdown(wait=False)
    clean = _drain(watchdog)
    log.info("daemon stopped", action="stop", clean=clean)
    if hung or not clean:
        # threads that do not end would keep the interpreter from ending
        os._exit(EXIT_HUNG if hung else 0)
    return 0


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _wait(workplace: Workplace, scheduler: BackgroundScheduler, watchdog: Watchdog) -> bool:
    """Wait for the end; return whether it came because something hung or the scheduler died."""
    while not workplace.stopping.wait(WATCHDOG_S):
        thread = getattr(scheduler, "_thread", None)
        if thread is None or not thread.is_alive():
            log.error("scheduler died", action="watchdog")
            return True
        if watchdog.look(time.monotonic()):
            log.error("a step hangs; ending so that it is started anew", action="watchdog")
            return True
    return False


def _drain(watchdog: Watchdog) -> bool:
    """Wait for running steps; return whether all have ended."""
    end = time.monotonic() + STOP_S
    while time.monotonic() < end:
        with watchdog.lock:
            if not watchdog.started:
                return True
        time.sleep(0.1)
    return False

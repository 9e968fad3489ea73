"""A failed attempt as Markdown: whatever a job left and printed stays a quotation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from support.ledger import new_task

from cci.daemon.commands.report import bar, moment
from cci.daemon.failures import LOG_LINES, Failed, failed_of, look_at, page
from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.daemon.order import Order, StagedSource, to_json

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = StagedSource(
    input="image",
    kind="scan",
    session_id="E1",
    scan_id="2",
    assessor_id="",
    subject_level=False,
    resources=("DATA",),
    attributes={},
    description="scan 2 (T1)",
)
ORDER = Order(
    command=("run it", "--all"),
    sources=(SOURCE,),
    required=(),
    on_scan=(),
    parameters={"smooth": 2},
    target={},
    fingerprints={},
    proctype="Dti_v1",
    version="1.0",
    spider="",
    walltime_s=60,
    memory_mb=500,
    cores=1,
    gpus=0,
    priority=0,
    runner_python="python3",
    environment={},
)


def task(**values: Any) -> TaskEntry:
    """Return a task that has failed."""
    new = new_task()
    known = {name: getattr(new, name) for name in new.__dataclass_fields__}
    own: dict[str, Any] = {
        "id": 1,
        "reason": "it failed",
        "blocked": "",
        "blocked_mark": "",
        "retry_at": None,
        "tries": 0,
        "revision": 1,
        "created": AT,
        "updated": AT,
        "attempts": 1,
        "attempt_open": False,
        "writes_pending": False,
    }
    return TaskEntry(**{**known, **own, **values})


def attempt(directory: Path, **values: Any) -> Attempt:
    """Return an attempt that has failed."""
    known: dict[str, Any] = {
        "id": 1,
        "task_id": 1,
        "number": 1,
        "state": Stage.CLOSED,
        "nonce": "n",
        "directory": str(directory),
        "cluster": "sge",
        "job_id": "42",
        "job_state": "ended",
        "job_message": "",
        "missing_since": None,
        "keep_old": False,
        "inputs": to_json(ORDER),
        "outputs": {},
        "use": {"wall_s": 12.0, "node": "n7", "exit_status": 3, "signal": None},
        "cause": "exit-3",
        "tries": 0,
        "retry_at": None,
        "opened": AT,
        "submitted": AT,
        "closed": AT,
    }
    return Attempt(**{**known, **values})


def shown(one: Failed) -> list[str]:
    """Return the page of one failed attempt."""
    return list(page([one], title="Failed", at=AT))


def test_a_page(tmp_path: Path) -> None:
    """Facts, command, parameters, inputs with their sizes, and the end of the log with its indentation."""
    (tmp_path / "output.log").write_text("first\n\tsecond\x1b[31m\n", encoding="utf-8")
    listed = {"image/DATA": [{"path": "a", "size": 3}, {"path": "b", "size": 4}]}
    (tmp_path / "staged.json").write_text(json.dumps(listed), encoding="utf-8")
    lines = shown(look_at(task(), attempt(tmp_path), "it *failed*"))

    assert "| P-x-S-x-E1-x-Dti\\_v1 | 1 | exit-3 | 2026-03-01 12:00:00 UTC | n7 |" in lines
    assert {
        "* reason: it \\*failed\\*",
        "* job: 42 on sge",
        "* exit status: 3",
        "* asked for: 60 s, 500 MB, 1 core",
        "* used: 12 s",
        "* image/DATA: 2 files, 7 bytes",
        "'run it' --all",
        ' "smooth": 2',
    } <= set(lines)
    assert ["```", "first", "        second\N{REPLACEMENT CHARACTER}[31m", "```"] == lines[-4:]
    assert [] == [line for line in lines if line.startswith("* signal")]


def test_a_log_that_ends_its_quotation(tmp_path: Path) -> None:
    """A log may hold fences: the fence around it is longer."""
    (tmp_path / "output.log").write_text("```\n# not a heading\n`````\n", encoding="utf-8")

    assert ["``````", "```", "# not a heading", "`````", "``````"] == shown(
        look_at(task(), attempt(tmp_path), "")
    )[-5:]


def test_an_attempt_that_never_ran(tmp_path: Path) -> None:
    """Without log and staged files it says so, and tells what would have been taken."""
    failed = attempt(tmp_path / "gone", job_id="", use={}, cause="staging-failed")
    lines = shown(look_at(task(), failed, ""))

    assert "* image: DATA of scan 2 (T1)" in lines
    assert "* job: none" in lines
    assert "(nothing was printed)" in lines


@pytest.mark.parametrize("left", ["[]", '{"a": 1}', '{"a": [1]}', "no JSON", '{"a": [{"size": "much"}]}'])
def test_senseless_records(tmp_path: Path, left: str) -> None:
    """Whatever lies in place of the list of staged files, the page is made."""
    (tmp_path / "staged.json").write_text(left, encoding="utf-8")

    assert "Inputs:" in shown(look_at(task(), attempt(tmp_path), ""))


def test_batch_log(tmp_path: Path) -> None:
    """Where the command printed nothing, what the batch system printed is told, and only its end."""
    text = "\n".join(f"line {number}" for number in range(1000))
    (tmp_path / "batch.log").write_text(text, encoding="utf-8")
    lines = shown(look_at(task(), attempt(tmp_path), ""))

    assert "End of batch.log:" in lines
    assert [f"line {1000 - LOG_LINES}", "line 999"] == [lines[-1 - LOG_LINES], lines[-2]]


def test_which_attempts_failed(tmp_path: Path) -> None:
    """One that is open, ended well or was given up did not; the task's reason is that of the last."""
    first = attempt(tmp_path)
    others = [
        replace(first, id=2, cause="", number=2),
        replace(first, id=3, cause="abandoned", number=3),
        replace(first, id=4, state=Stage.COLLECTING, closed=None, number=4),
        replace(first, id=5, number=5),
    ]
    found = list(failed_of([(task(), one) for one in (first, *others)]))

    assert [(1, ""), (5, "it failed")] == [(one.attempt.id, one.reason) for one in found]


def test_no_failed_attempt() -> None:
    """Of nothing there is a page too, without a table."""
    assert ["# Failed", "", "0 attempts, as of 2026-03-01 12:00:00 UTC."] == list(
        page([], title="Failed", at=AT)
    )


# -- the command's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (0, "░░░░░░░░░░ 0 %"),
        (26, "███░░░░░░░ 26 %"),
        (100, "██████████ 100 %"),
        (250, "██████████ 250 %"),
        (None, "not measured"),
    ],
)
def test_bar(percent: float | None, expected: str) -> None:
    """The bar is full where all that was asked for was used, or more."""
    assert expected == bar(percent).plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        (None, None),
    ],
)
def test_moment(text: str | None, expected: datetime | None) -> None:
    """A day or a time is taken in UTC, unless it has a zone."""
    command = click.Command("x")
    assert expected == moment(click.Context(command), click.Option(["--since"]), text)


@pytest.mark.parametrize("text", ["lately", "24", "99999999999d", "0001-01-01T00:00+14:00"])
def test_no_moment(text: str) -> None:
    """What is no moment is refused in a sentence."""
    with pytest.raises(click.BadParameter, match="is no moment"):
        moment(click.Context(click.Command("x")), click.Option(["--since"]), text)

"""Which batch script a task has, or would get. Nothing is written, and no cluster or archive is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cci.daemon import retrying
from cci.daemon.asking import asked_for, script_form
from cci.daemon.jobdir import JobDirectory, numbered, task_folder
from cci.daemon.ledger import Attempt, TaskEntry
from cci.daemon.order import Order, demands, from_json
from cci.daemon.plain_files import is_plain, read_plain
from cci.daemon.staging import spec_of
from cci.daemon.workplace import Workplace, node_python
from cci.errors import UsageError, did_you_mean

#: Stands where an attempt that does not exist yet would have its nonce.
NO_NONCE = "0" * 16


@dataclass(frozen=True, kw_only=True)
class Script:
    """A batch script.

    Attributes
    ----------
    attempt
        The number of the attempt.
    path
        Where it lies, or would lie.
    is_there
        Whether it lies there; if not, *text* is what it would be.
    """

    label: str
    attempt: int
    cluster: str
    job_id: str
    path: Path
    is_there: bool
    text: str


def script_of(workplace: Workplace, entry: TaskEntry, cluster: str = "") -> Script:
    """Return the script of a task's newest attempt; the next one's if it has none, or a cluster is named.

    Raises
    ------
    UsageError
        The cluster or the task's processor is not in the settings.
    SubmissionRefused
        There can be no script: the cluster's words, or the site's template, do not allow it.
    """
    attempts = workplace.ledger.attempts(entry.id)
    if attempts and not cluster:
        return _existing(workplace, entry, attempts[-1])
    return _next(workplace, entry, cluster)


def _existing(workplace: Workplace, entry: TaskEntry, attempt: Attempt) -> Script:
    directory = JobDirectory(Path(attempt.directory))
    is_there = is_plain(directory.script)
    if is_there:
        text = read_plain(directory.script).decode("utf-8", "replace")
    else:
        order = from_json(attempt.inputs)
        text = _rendered(workplace, order, directory, attempt.cluster, attempt.nonce)
    return Script(
        label=entry.label,
        attempt=attempt.number,
        cluster=attempt.cluster,
        job_id=attempt.job_id,
        path=directory.script,
        is_there=is_there,
        text=text,
    )


def _next(workplace: Workplace, entry: TaskEntry, cluster: str) -> Script:
    configured = workplace.processors.get(entry.processor)
    if configured is None:
        raise UsageError(
            f"{entry.label} gets no further attempt: processor {entry.processor} is not in the settings",
            hint="`cci doctor` tells of sections that were left out",
        )
    cluster = cluster or configured.cluster
    again = retrying.decided(workplace.ledger.attempts(entry.id))
    wishes, email = asked_for(workplace.settings, configured, _known(workplace, cluster))
    order = demands(
        retrying.with_request(configured.processor, again),
        runner_python=node_python(workplace.settings, cluster)[1],
        wishes=wishes,
        email=email,
    )
    folder = task_folder(workplace.settings.work_dir, entry.project, entry.label)
    number = max(entry.attempts, *numbered(folder), 0) + 1
    directory = JobDirectory(folder / str(number))
    return Script(
        label=entry.label,
        attempt=number,
        cluster=cluster,
        job_id="",
        path=directory.script,
        is_there=False,
        text=_rendered(workplace, order, directory, cluster, NO_NONCE),
    )


def _rendered(workplace: Workplace, order: Order, directory: JobDirectory, cluster: str, nonce: str) -> str:
    dialect = workplace.clusters[_known(workplace, cluster)].dialect
    form = script_form(workplace.settings, cluster, dialect)
    return form.script(spec_of(order, directory.path, nonce), order.runner_python)


def _known(workplace: Workplace, cluster: str) -> str:
    clusters = workplace.clusters
    if cluster not in clusters:
        raise UsageError(
            f"there is no cluster '{cluster}'{did_you_mean(cluster, clusters)}",
            hint=f"clusters here: {', '.join(clusters)}",
        )
    return cluster

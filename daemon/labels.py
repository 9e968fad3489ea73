"""Which labels of a project are free, so that no two tasks share one, or the folder that it names. Pure.

A label is taken by any other task of the ledger, and by any assessor in the archive, whoever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cci import model
from cci.task import TaskKey, distinct_label, is_safe_label, make_label


class Labels:
    """The labels of one project, for one plan; what it gives out is taken from then on.

    Parameters
    ----------
    of_tasks
        The labels of the project's tasks in the ledger.
    in_archive
        Gives the labels of the project's assessors; asked only if a new task needs one.
    """

    def __init__(self, of_tasks: Iterable[str], in_archive: Callable[[], Iterable[str]]) -> None:
        self._of_tasks = set(of_tasks)
        self._in_archive = in_archive
        self._seen: set[str] | None = None

    def adopt(self, label: str) -> str:
        """Take the label that a task has in the archive already; return why that cannot be, '' if it can."""
        if not is_safe_label(label):
            return f"the archive calls it {label!r}, which is no label that cci gives"
        if label in self._of_tasks:
            return f"the archive calls it {label}, which is the label of another task"
        self._of_tasks.add(label)
        return ""

    def make(self, target: model.Target, key: TaskKey) -> str:
        """Return a label for a new task that nothing else has; '' if there is none."""
        plain = make_label(target, key)
        for label in (plain, distinct_label(plain, key)):
            if label not in self._of_tasks and label not in self._assessors():
                self._of_tasks.add(label)
                return label
        return ""

    def _assessors(self) -> set[str]:
        if self._seen is None:
            self._seen = set(self._in_archive())
        return self._seen

"""``cci.connect``: a workplace for notebooks, on which tasks and loops act one step at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cci import cluster, model, xnat
from cci import settings as configuration
from cci.daemon import ownership
from cci.daemon.acting import act
from cci.daemon.collection import collect
from cci.daemon.handing_over import begin
from cci.daemon.ledger import Attempt, Stage, TaskEntry
from cci.daemon.plan import Action, Configured, Narrowing, View, plan
from cci.daemon.posting import post
from cci.daemon.starting import make_ready, open_chosen
from cci.daemon.sweep import demand_types
from cci.daemon.watching import watch
from cci.daemon.workplace import Workplace, open_workplace
from cci.errors import NeedsConsent, UsageError
from cci.processor import Processor, RunnableTask
from cci.status import Status
from cci.task import Task, key_for


def connect(
    *, settings: str | Path | None = None, home: str | Path | None = None, consent: bool = False
) -> Connected:
    """Connect to the archive, ledger and clusters of a settings file.

    Processors, `xnat.JobHandler`, `xnat.ResourceSyncer` and `cluster.submit_pbs` use this connection from
    then on.

    Parameters
    ----------
    settings
        A settings file; found as the command line finds it if left out.
    home
        A folder with ``settings.yaml`` that keeps everything below itself.
    consent
        Whether projects may be written to that cci never wrote to.

    Raises
    ------
    SettingsError
        If there is no usable settings file or login.
    """
    folder = Path(home).expanduser().absolute() if home else None
    path = configuration.find_file(settings=Path(settings) if settings else None, home=folder)
    workplace = open_workplace(configuration.load(path, home=folder), who="notebook")
    connected = Connected(workplace, consent=consent)
    Processor.connected = connected.task
    xnat.set_default_archive(workplace.archive)
    cluster.set_default_cluster(next(iter(workplace.clusters.values())))
    return connected


class Connected:
    """A connected workplace: gives snapshots, and moves tasks one step at a time.

    Not for use by several threads at once; a notebook has one.
    """

    def __init__(self, workplace: Workplace, *, consent: bool = False) -> None:
        self.workplace = workplace
        self._consent = consent
        self._snapshots: dict[str, model.Project] = {}

    def close(self) -> None:
        """Give everything back; jobs go on."""
        self.workplace.close()

    def project(self, project_id: str) -> model.Project:
        """Take a snapshot of a project."""
        snapshot = self.workplace.archive.snapshot(
            project_id, now=datetime.now(UTC), scope=xnat.Scope(project_tasks=True)
        )
        self._snapshots[project_id] = snapshot
        return snapshot

    def task(self, processor: Processor, session: model.Session, scan_id: str = "") -> RunnableTask:
        """Return the processor's task on a session or scan; see `Processor.get_task`."""
        snapshot = self._snapshots.get(session.project) or self.project(session.project)
        found = [
            target
            for target in processor.targets(snapshot)
            if target.belongs_to(session=session.id)
            and (not scan_id or (target.scan and target.scan.id == scan_id))
        ]
        if len(found) == 1:
            return Task(processor=processor, target=found[0], workplace=self)
        if not found:
            raise UsageError(f"{processor.proctype} has no task on {session.label}")
        scans = ", ".join(target.scan.id for target in found if target.scan)
        raise UsageError(
            f"{session.label} has several scans for {processor.proctype}: {scans}", hint="name one"
        )

    def status(self, task: Task) -> Status | None:
        """Return the task's status, None if it does not exist yet."""
        entry = self._entry(task)
        return entry.status if entry else None

    def update(self, task: Task) -> Status:
        """Do the task's next step: make it, check it, start it, watch its job, or bring its results home.

        Raises
        ------
        UsageError
            If there is no such task: its results are there already, or another system made it; or the project
            is being swept at this moment.
        """
        entry = self._entry(task)
        attempts = self.workplace.ledger.attempts(entry.id) if entry else []
        still_open = [attempt for attempt in attempts if attempt.closed is None]
        if still_open:
            self._go_on(still_open[0])
        else:
            self._decide_alone(task)
        entry = self._entry(task)
        if entry is None:
            raise UsageError(
                "there is no such task: its results are there already, or another system made it"
            )
        post(self.workplace, entry.id)
        return entry.status

    def _entry(self, task: Task) -> TaskEntry | None:
        return self.workplace.ledger.find(key_for(self.workplace.url, task.target, task.processor.proctype))

    def _go_on(self, attempt: Attempt) -> None:
        if attempt.state in {Stage.STAGING, Stage.SUBMITTING}:
            begin(self.workplace, attempt)
            return
        if attempt.state is Stage.SUBMITTED:
            watch(self.workplace)
        collect(self.workplace, attempt)

    def _decide_alone(self, task: Task) -> None:
        """Decide as a sweep does: beside no other sweep of the project."""
        project = task.target.project.id
        with self.workplace.ledger.lease(f"sweep {self.workplace.url} {project}") as free:
            if not free:
                raise UsageError(f"project {project} is being swept", hint="update again in a minute")
            self._decide(task, project)

    def _decide(self, task: Task, project: str) -> None:
        """Plan on a fresh look, for a decision on an old one could undo what has been done since."""
        self._own(project)
        view = View.of(self.workplace.ledger.tasks(self.workplace.url, project))
        snapshot = self.project(project)
        demand_types(snapshot, {task.processor.level})
        action = self._action(task, snapshot, view)
        if action is None:
            return
        _, entry = act(self.workplace, action)
        ready = make_ready(self.workplace, [(action, entry)]) if entry else []
        attempts, _ = open_chosen(self.workplace, ready)
        for attempt in attempts:
            begin(self.workplace, attempt)

    def _action(self, task: Task, snapshot: model.Project, view: View) -> Action | None:
        workplace = self.workplace
        configured = Configured(
            name=_name_of(workplace, task.processor),
            processor=task.processor,
            cluster=next(iter(workplace.clusters)),
            site_reason=task.processor.ready_here(),
        )
        session = task.target.session
        planned = plan(
            snapshot,
            [configured],
            view,
            archive=workplace.url,
            now=snapshot.taken_at,
            narrowing=Narrowing(session=session.id if session else ""),
        )
        if planned.failures:
            raise planned.failures[0].error
        key = key_for(workplace.url, task.target, task.processor.proctype)
        return next((action for action in planned.actions if action.key == key), None)

    def _own(self, project: str) -> None:
        """Write only to a project that this instance owns, or may make its own."""
        if ownership.is_ours(self.workplace, project):
            return
        if not self._consent:
            raise NeedsConsent(
                f"cci never wrote to project {project}", hint="connect with consent=True if it may"
            )
        ownership.claim(self.workplace, project)


def _name_of(workplace: Workplace, processor: Processor) -> str:
    """Return the name that the settings give to a processor, so that notebook and daemon share its tasks."""
    for name, configured in workplace.processors.items():
        if configured.processor.proctype == processor.proctype:
            return name
    return processor.proc_name()

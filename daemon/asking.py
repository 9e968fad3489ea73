"""How a cluster is asked for a job: queue, account and options from three places, and the form of its script.

Pure but for the reading of a site's template. What the words mean is known in `cci.cluster`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from cci.cluster.base import JobSpec
from cci.cluster.native import SYSTEMS, Wishes, most_specific, read
from cci.cluster.options import SiteOptions
from cci.cluster.scripts import render_script
from cci.cluster.templates import read_template, render_template
from cci.daemon.plan import Configured
from cci.errors import CciError, UsageError
from cci.processor import Processor
from cci.settings import CommandClusterSettings, Problem, ProcessorSettings, Settings


@dataclass(frozen=True, kw_only=True)
class ScriptForm:
    """What the batch scripts of a cluster look like.

    Attributes
    ----------
    dialect
        In whose words the header is; see `cci.cluster.scripts`.
    template
        A site's own script, None for the built-in one.
    """

    dialect: str = "plain"
    site: SiteOptions = field(default_factory=SiteOptions)
    template: Path | None = None

    def script(self, job: JobSpec, python: str) -> str:
        """Return the batch script of a job; *python* is the node's interpreter for the runner.

        Raises
        ------
        SubmissionRefused
            The job cannot be written in the cluster's words, or the template is wrong.
        """
        if self.template is None:
            return render_script(job, python=python, dialect=self.dialect, site=self.site)
        text = read_template(self.template)
        return render_template(text, job, python=python, dialect=self.dialect, site=self.site)


def script_form(settings: Settings, cluster: str, dialect: str) -> ScriptForm:
    """Return the form of the scripts of a cluster that is asked in *dialect*."""
    section = settings.clusters[cluster]
    if not isinstance(section, CommandClusterSettings):
        return ScriptForm(dialect=dialect)
    template = settings.folder / section.template.expanduser() if section.template else None
    return ScriptForm(dialect=dialect, site=SiteOptions.of(section.model_dump()), template=template)


def asked_for(settings: Settings, configured: Configured, cluster: str) -> tuple[Wishes, str]:
    """Return what an attempt on *cluster* asks for by name, and where its mail goes.

    Three may speak, and the most specific wins: the cluster's section, the processor's class, and the
    processor's section.

    Raises
    ------
    UsageError
        Native options cannot be read, or say what they may not.
    """
    section = settings.clusters[cluster]
    if not isinstance(section, CommandClusterSettings):
        return Wishes(), ""  # this machine has no queues, and writes to nobody
    system = section.batch_system
    site = Wishes(queue=section.queue, account=section.account, native=section.native)
    speakers = (configured.processor, settings.processors.get(configured.name, ProcessorSettings()))
    said = (_said(speaker, cluster, system) for speaker in speakers)
    return most_specific(system, site, *said), section.email


def _said(speaker: Processor | ProcessorSettings, cluster: str, system: str) -> Wishes:
    """Return what a processor's class or section says of a cluster."""

    def of(value: str | Mapping[str, str]) -> str:
        return value if isinstance(value, str) else value.get(cluster, value.get(system, ""))

    return Wishes(queue=of(speaker.queue), account=of(speaker.account), native=of(speaker.native))


def cluster_problems(settings: Settings) -> list[Problem]:
    """Return what is wrong with options and templates of clusters, by whose fault no job can start there."""
    return [
        problem
        for name, section in settings.clusters.items()
        if isinstance(section, CommandClusterSettings)
        for problem in _problems(settings, name, section)
    ]


def _problems(settings: Settings, name: str, section: CommandClusterSettings) -> Iterator[Problem]:
    wishes = Wishes(queue=section.queue, account=section.account, native=section.native)
    form = script_form(settings, name, section.batch_system)
    try:
        read(section.batch_system, section.native)
    except CciError as error:
        yield _problem(f"clusters.{name}.native", error)
        return
    try:
        replace(form, template=None).script(_trial(wishes, section.email), "python3")
    except CciError as error:
        yield _problem(f"clusters.{name}", error)
        return
    try:
        form.script(_trial(wishes, section.email), "python3")
    except CciError as error:
        yield _problem(f"clusters.{name}.template", error)


def _problem(path: str, error: CciError) -> Problem:
    return Problem(path, f"{error.message} ({error.hint})" if error.hint else error.message)


def _trial(wishes: Wishes, email: str) -> JobSpec:
    """Return a job to try words and templates on."""
    directory = Path("/trial/job")
    return JobSpec(
        name="cci-Trial_v1-0123456789abcdef",
        directory=directory,
        script=directory / "script.sh",
        output_log=directory / "batch.log",
        walltime_s=3600,
        memory_mb=1024,
        queue=wishes.queue,
        account=wishes.account,
        native=wishes.native,
        email=email,
    )


def refuse_wishes(settings: Settings, configured: Configured) -> None:
    """Refuse a processor whose queue, account or native options cannot be said on one of its clusters.

    Raises
    ------
    CciError
        Saying what is wrong.
    """
    speakers = (configured.processor, settings.processors.get(configured.name, ProcessorSettings()))
    for speaker, name in product(speakers, ("queue", "account", "native")):
        said = getattr(speaker, name)
        odd = set() if isinstance(said, str) else {*said} - {*settings.clusters, *SYSTEMS}
        if odd:
            raise UsageError(f"{name}: there is no cluster or batch system '{min(odd)}'")
    for cluster in configured.clusters:
        section = settings.clusters[cluster]
        wishes, email = asked_for(settings, configured, cluster)
        if isinstance(section, CommandClusterSettings):
            render_script(_trial(wishes, email), python="python3", dialect=section.batch_system)

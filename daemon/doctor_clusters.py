"""Looks whether jobs can run on a cluster: what is quick to see first, then by running some."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from cci.cluster.native import Wishes
from cci.daemon import doctor_others, doctor_sge, doctor_slurm
from cci.daemon.asking import script_form
from cci.daemon.doctor_desk import NEEDED, Desk
from cci.daemon.doctor_proofs import judge
from cci.daemon.doctor_spiders import examine_interpreters, examine_spiders
from cci.daemon.doctor_trials import Terms, run_trials
from cci.daemon.findings import Finding
from cci.daemon.plan import Configured
from cci.daemon.workplace import configured_cluster, node_python
from cci.settings import ClusterSettings, CommandClusterSettings, DrmaaClusterSettings, Settings

#: How long trial jobs may take in all, in seconds: a batch system starts jobs every 15 to 60.
PATIENCE_S = 120.0
Look = Callable[[Desk], Iterator[Finding]]
#: What is looked at of each batch system, and of the local cluster.
LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "local": doctor_others.examine_local,
        "lsf": doctor_others.examine_lsf,
        "pbs": doctor_others.examine_pbs,
        "sge": doctor_sge.examine,
        "slurm": doctor_slurm.examine,
    }
)
#: A trial job asks for little; where memory is enforced, its interpreter must fit.
_MEMORY_MB = {"local": 16}
_USUAL_MEMORY_MB = 256


def examine_cluster(
    settings: Settings, name: str, loaded: Mapping[str, Configured], *, patience_s: float | None
) -> Iterator[Finding]:
    """Yield what was found of one cluster and of the processors that may run on it.

    Parameters
    ----------
    patience_s
        How long trial jobs may take in all, in seconds; None for no trial jobs.
    """
    title = f"cluster {name}"
    python, runner = node_python(settings, name)
    here = tuple(configured for configured in loaded.values() if name in configured.clusters)
    yield from examine_interpreters(title, python, runner)
    yield from examine_spiders(title, python, here)
    lacking = []
    for finding in _looks(settings, name, here):
        yield finding
        if finding.good is False and finding.name.rpartition(": ")[2] in NEEDED:
            lacking.append(finding)
    if patience_s is not None and not lacking:
        yield from _trials(settings, name, runner, patience_s)


def _looks(settings: Settings, name: str, here: tuple[Configured, ...]) -> Iterator[Finding]:
    section = settings.clusters[name]
    cluster = configured_cluster(settings, name)
    try:
        desk = Desk(name=name, section=section, cluster=cluster, processors=here, timing=settings.timing)
        if isinstance(section, DrmaaClusterSettings):
            yield from doctor_others.examine_library(desk)
        yield from LOOKS[_system(section)](desk)
    finally:
        cluster.close()


def _system(section: ClusterSettings) -> str:
    return section.batch_system if isinstance(section, CommandClusterSettings) else section.kind


def _trials(settings: Settings, name: str, runner: str, patience_s: float) -> Iterator[Finding]:
    section = settings.clusters[name]
    wishes = Wishes()
    if isinstance(section, CommandClusterSettings):
        wishes = Wishes(queue=section.queue, account=section.account, native=section.native)
    system = _system(section)
    terms = Terms(
        form=script_form(settings, name, "plain" if system == "local" else system),
        runner_python=runner,
        wishes=wishes,
        memory_mb=_MEMORY_MB.get(system, _USUAL_MEMORY_MB),
    )
    open_ = partial(configured_cluster, settings, name)
    yield from judge(
        run_trials(open_, terms, settings.work_dir, patience_s=patience_s), name, uid=os.getuid()
    )

"""What the looks at one cluster share: its settings, its processors, and its commands on this host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cci.cluster.base import Cluster
from cci.cluster.commands_run import Commands, Result
from cci.daemon.doctor_hints import hint_for
from cci.daemon.findings import Finding
from cci.daemon.plan import Configured
from cci.settings import ClusterSettings, CommandClusterSettings, Timing

#: Looks that must not fail: without them no job is worth a trial.
COMMANDS, CONTROLLER, LIBRARY = "commands", "controller", "library"
NEEDED = frozenset({COMMANDS, CONTROLLER, LIBRARY})
#: Variables of ours that batch systems' commands go by, beside the usual ones.
_VARIABLES = (
    *("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT", "SGE_CLUSTER_NAME", "SLURM_CONF"),
    *(
        "PBS_SERVER",
        "PBS_CONF_FILE",
        "PBS_DEFAULT",
        "LSF_ENVDIR",
        "LSF_SERVERDIR",
        "LSF_LIBDIR",
        "LSF_BINDIR",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One cluster under examination; *processors* are those that may run there."""

    name: str
    section: ClusterSettings
    cluster: Cluster
    processors: tuple[Configured, ...]
    timing: Timing

    def finding(self, what: str, good: bool | None, detail: str, hint: str = "") -> Finding:
        """Return a finding of this cluster."""
        return Finding(name=f"cluster {self.name}: {what}", good=good, detail=detail, hint=hint)

    @property
    def asked(self) -> CommandClusterSettings:
        """The section of a cluster with a batch system."""
        assert isinstance(self.section, CommandClusterSettings)
        return self.section

    def run(self, *words: str) -> Result:
        """Run one of the batch system's commands, as its back-end would."""
        section = self.asked
        commands = Commands(
            folder=section.commands.expanduser().absolute() if section.commands else None,
            environment=section.environment,
            limit_s=section.command_s,
            inherited=_VARIABLES,
        )
        return commands.run(words)

    def commands(self, names: Sequence[str], *, version: str) -> Finding:
        """Look whether there are these commands; *version* is an option with which they do nothing."""
        missing = [name for name in names if self.run(name, version).missing]
        if not missing:
            return self.finding(COMMANDS, True, f"{', '.join(names)} are there")
        place = self.asked.commands or "the PATH"
        detail = f"there is no {', '.join(missing)} in {place}"
        hint = f"install them on this host, or name their folder as clusters.{self.name}.commands"
        return self.finding(COMMANDS, False, detail, hint)

    def silent(self, result: Result) -> Finding:
        """Say that the controller did not answer a command."""
        return self.finding(CONTROLLER, False, result.said, hint_for(result.said, self.name))

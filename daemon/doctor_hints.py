"""What a person can do about what a batch system says. Pure: patterns and hints, nothing else."""

from __future__ import annotations

import re

#: The first pattern that fits decides.
_HINTS = (
    (
        r"static TLS",
        "set GLIBC_TUNABLES: glibc.rtld.optional_static_tls=16384 in clusters.{name}.environment",
    ),
    (
        r"Could not find drmaa library|libdrmaa|cannot open shared object",
        "name the system's libdrmaa.so as clusters.{name}.library, or set DRMAA_LIBRARY_PATH",
    ),
    (
        r"SGE_ROOT|SGE_CELL|cell directory|initialize environment",
        "set SGE_ROOT and SGE_CELL in clusters.{name}.environment, as the system's settings.sh does",
    ),
    (
        r"no command|command not found|did not find",
        "install the system's commands on this host, or name their folder as clusters.{name}.commands",
    ),
    (
        r"[Mm]unge|[Aa]uthentication|credential",
        "munge must run on this host, with the cluster's key and a right clock",
    ),
    (
        r"no (suitable queues|valid host)|denied: host|not (a|allowed as) submit host|submit host",
        "let this host submit (Grid Engine: qconf -as HOST), and look at queue and limits of the cluster",
    ),
    (
        r"[Ii]nvalid (partition|account|qos)|[Uu]nknown (queue|account|project)|[Qq]ueue .*(exist|unknown)",
        "mend clusters.{name}.queue, .account or .native",
    ),
    (
        r"[Uu]nknown resource|unknown parallel environment|parallel environment",
        "mend clusters.{name}.memory_resource or .parallel_environment; see `qconf -sc` and `qconf -spl`",
    ),
    (
        r"commlib|qmaster|slurm controller|slurmctld|[Tt]imed out|[Cc]onnection refused|pbs_server|LIM",
        "is its controller running, and reachable from this host? Work goes on by itself when it is back",
    ),
    (
        r"chdir|can't (stat|open|make)|nable to open|o such file|[Pp]ermission denied|JobLaunchFailure",
        "work_dir must lie on a disk that every node mounts at the same path, writable by this user",
    ),
)


def hint_for(said: str, name: str) -> str:
    """Return what can be done about a sentence of the cluster *name*, '' if nothing is known of it."""
    for pattern, hint in _HINTS:
        if re.search(pattern, said):
            return hint.format(name=name)
    return ""

"""What a settings section of kind ``drmaa`` says: the child's environment, the contact's place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cci.cluster.commands_run import INHERITED
from cci.settings import DrmaaClusterSettings
from cci.settings_clusters import checked_section

#: Where Debian puts the libraries that it has; the dynamic linker does not look there.
DEBIAN = {"sge": Path("/usr/lib/gridengine-drmaa/lib/libdrmaa.so.1.0")}
#: Beginnings of the names of variables that libraries go by, and that may be set for the whole service.
_SYSTEMS = ("SGE_", "SLURM_CONF", "SLURM_DRMAA_", "PBS_", "LSF_", "LSB_", "MUNGE_", "LD_PRELOAD")
#: Static thread-local storage that glibc sets aside, in bytes: jemalloc, which Debian's Grid Engine library
#: brings along, needs more than the 512 of a program that loads it late; see glibc's manual on tunables.
_TUNABLE, _BYTES = "glibc.rtld.optional_static_tls", 8192

#: Keys of the section that are ours alone; the system's commands do not know them.
_OWN = frozenset({"kind", "system", "library", "call_s", "ask_per_s"})


def read_section(name: str, settings: Mapping[str, Any]) -> DrmaaClusterSettings:
    """Check a section with ``kind: drmaa``.

    Raises
    ------
    SettingsError
        A key is unknown, or its value is wrong.
    """
    return checked_section(name, settings, DrmaaClusterSettings)


def commands_section(settings: Mapping[str, Any], system: str) -> dict[str, Any]:
    """Return the section for the same system by its commands."""
    return {**{key: value for key, value in settings.items() if key not in _OWN}, "kind": system}


def contact_file(name: str, settings: Mapping[str, Any]) -> Path | None:
    """Return where the session's contact is kept, None if nothing can be kept."""
    if not settings.get("spool"):
        return None
    return Path(settings["spool"]) / f"drmaa-{quote(name, safe='')}.contact"


def child_environment(section: DrmaaClusterSettings, ours: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the process that owns the library.

    Parameters
    ----------
    section
        The cluster's settings; what they name replaces what is inherited.
    ours
        This process's environment, of which little is handed on: it may hold secrets, and a library may hand
        what it finds to the jobs.
    """
    kept = {
        name: value for name, value in ours.items() if name in {*INHERITED, "TZ"} or name.startswith(_SYSTEMS)
    }
    whole = {**kept, **section.environment}
    library = _library(section, {**ours, **section.environment})
    tunables = whole.get("GLIBC_TUNABLES", ours.get("GLIBC_TUNABLES", ""))
    return {
        "PATH": "/usr/bin:/bin",
        # slurm-drmaa looks into accounting for jobs that the controller has forgotten, from 1.1.3 on
        "SLURM_DRMAA_USE_SLURMDBD": "1",
        **whole,
        # the Python package takes its encoding from here
        "LC_ALL": "C.UTF-8",
        "GLIBC_TUNABLES": _with_static_tls(tunables),
        **({"DRMAA_LIBRARY_PATH": library} if library else {}),
    }


def _library(section: DrmaaClusterSettings, environment: Mapping[str, str]) -> str:
    """Return the library's path; '' if it is left to the dynamic linker."""
    if section.library is not None:
        return str(section.library.expanduser())
    named = environment.get("DRMAA_LIBRARY_PATH", "")
    debian = DEBIAN.get(section.system)
    return named or (str(debian) if debian is not None and debian.exists() else "")


def _with_static_tls(tunables: str) -> str:
    """Add the tunable that we need to those that are set, unless it is one of them."""
    parts = [part for part in tunables.split(":") if part]
    if not any(part.startswith(f"{_TUNABLE}=") for part in parts):
        parts.append(f"{_TUNABLE}={_BYTES}")
    return ":".join(parts)

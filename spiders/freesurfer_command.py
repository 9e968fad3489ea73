"""How ``recon-all`` is called: from an installation, in a container image, or at an explicit path.

It builds argument lists and environments and checks what they need on this node; it runs nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cci.spiders.staging import BadInput

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")
_UNSAFE_LETTERS = re.compile(r"[^A-Za-z0-9_-]+")
#: Where a container sees the folders of a run.
_INSIDE = PurePosixPath("/cci")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the processor's parameters say.

    Attributes
    ----------
    subject
        Name of the subject's directory.
    license
        The licence file on this node; None if no parameter names one.
    home
        ``FREESURFER_HOME``; inside the image if there is a *container*.
    container
        An image that *runtime* can execute.
    runtime
        ``apptainer``, ``singularity``, or the path of one of them.
    recon_all
        The program, if it is neither ``HOME/bin/recon-all`` nor on the image's path.
    flags
        What is asked of ``recon-all``, without input, subject and threads.
    threads
        Threads for each of its programs.
    """

    subject: str
    license: Path | None = None
    home: Path | None = None
    container: Path | None = None
    runtime: str = "apptainer"
    recon_all: Path | None = None
    flags: tuple[str, ...] = ("-all",)
    threads: int = 1

    @property
    def program(self) -> str:
        """What is executed, here or inside the image."""
        if self.recon_all is not None:
            return str(self.recon_all)
        return str(self.home / "bin" / "recon-all") if self.home is not None else "recon-all"

    @property
    def origin(self) -> str:
        """Which FreeSurfer this is, to tell runs apart."""
        return f"{self.container}:{self.program}" if self.container is not None else self.program


def read_settings(parameters: Mapping[str, Any], target: Mapping[str, str]) -> Settings:
    """Read the parameters; *target* gives the subject's name where there is no ``subject``.

    Raises
    ------
    BadInput
        ``bad-parameter`` if one has the wrong form; ``freesurfer-missing`` if none says where FreeSurfer is.
    """
    settings = Settings(
        subject=_subject(parameters, target),
        license=_license(parameters),
        home=_path(parameters, "freesurfer_home"),
        container=_path(parameters, "container"),
        runtime=str(parameters.get("runtime") or "apptainer"),
        recon_all=_path(parameters, "recon_all"),
        flags=_flags(parameters.get("flags") or ["-all"]),
        threads=_threads(parameters),
    )
    if settings.home is None and settings.container is None and settings.recon_all is None:
        raise BadInput(
            "freesurfer-missing",
            "no FreeSurfer is configured: set freesurfer_home, container or recon_all for this processor",
        )
    return settings


def _path(parameters: Mapping[str, Any], name: str) -> Path | None:
    """Return an absolute path, None if the parameter is not there."""
    text = parameters.get(name)
    if not text:
        return None
    if not Path(str(text)).is_absolute():
        raise BadInput("bad-parameter", f"parameter {name} must be an absolute path, not {text!r}")
    return Path(str(text))


def _license(parameters: Mapping[str, Any]) -> Path | None:
    """Return the licence file: the parameter, else the place where an installation keeps it."""
    named = _path(parameters, "license")
    home = _path(parameters, "freesurfer_home")
    if named is None and home is not None and not parameters.get("container"):
        return home / "license.txt"
    return named


def _subject(parameters: Mapping[str, Any], target: Mapping[str, str]) -> str:
    """Return the parameter, or a safe name made from the session's label."""
    named = parameters.get("subject")
    if named is None:
        return _UNSAFE_LETTERS.sub("_", str(target.get("session", ""))).strip("_-")[:100] or "subject"
    if not _SAFE_NAME.match(str(named)):
        raise BadInput("bad-parameter", f"parameter subject is not a plain name: {named!r}")
    return str(named)


def _flags(value: object) -> tuple[str, ...]:
    """Return the flags; a single string would be split by nobody."""
    if not isinstance(value, list) or not all(isinstance(flag, str) for flag in value):
        raise BadInput("bad-parameter", f"parameter flags must be a list of words, not {value!r}")
    return tuple(value)


def _threads(parameters: Mapping[str, Any]) -> int:
    """Return the parameter, else what the job runner granted."""
    text = str(parameters.get("threads") or os.environ.get("OMP_NUM_THREADS") or 1)
    if not text.isdecimal() or int(text) < 1:
        raise BadInput("bad-parameter", f"parameter threads must be a whole number above 0, not {text!r}")
    return int(text)


def check_node(settings: Settings) -> None:
    """Check that licence, program and image are on this node, before hours are spent.

    Raises
    ------
    BadInput
        ``license-missing``, ``freesurfer-missing`` or ``container-missing``.
    """
    _check_license(settings.license)
    if settings.container is None:
        if not os.access(settings.program, os.X_OK):
            raise BadInput("freesurfer-missing", f"there is no program {settings.program} on this node")
        return
    if not settings.container.exists():
        raise BadInput("container-missing", f"there is no image {settings.container} on this node")
    if shutil.which(settings.runtime) is None:
        raise BadInput("container-missing", f"{settings.runtime} is not installed on this node")


def _check_license(path: Path | None) -> None:
    """FreeSurfer itself notices a missing licence only in its first program, in the middle of a long log."""
    if path is None:
        raise BadInput("license-missing", "no FreeSurfer licence is configured: set the parameter license")
    if not path.is_file() or not os.access(path, os.R_OK) or path.stat().st_size == 0:
        raise BadInput(
            "license-missing",
            f"the FreeSurfer licence {path} is not there, cannot be read, or is empty on this node; "
            "it is free at https://surfer.nmr.mgh.harvard.edu/registration.html",
        )


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run finds its things: on this node, or as a container sees them."""

    subjects: Path
    t1: Path
    scratch: Path
    license: Path


@dataclass(frozen=True, kw_only=True)
class Call:
    """An argument list, and what is added to the environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def call_recon_all(settings: Settings, places: Places, flags: Sequence[str], *, begin: bool) -> Call:
    """Build one call of ``recon-all``.

    Parameters
    ----------
    flags
        The stages to run.
    begin
        Whether the T1 is imported. ``recon-all`` refuses ``-i`` for a subject that it already knows, and
        without ``-no-isrunning`` it refuses one whose last run was killed.

    Raises
    ------
    BadInput
        ``unusable-path`` if a path cannot be handed on.
    """
    seen = _seen_inside(places) if settings.container is not None else places
    how = ("-i", str(seen.t1)) if begin else ("-no-isrunning",)
    arguments = ("-s", settings.subject, "-sd", str(seen.subjects), *how, *flags)
    command = (settings.program, *arguments, "-openmp", str(settings.threads))
    environment = _environment(settings, seen)
    if settings.container is None:
        _refuse_spaces(settings, places)
        return Call(argv=command, environment=environment)
    wrapped = _in_container(settings.runtime, str(settings.container), places, seen, environment)
    return Call(argv=(*wrapped, *command))


def _seen_inside(places: Places) -> Places:
    """Return the fixed, plain paths that a container sees."""
    return Places(
        subjects=Path(_INSIDE / "subjects"),
        t1=Path(_INSIDE / "input" / places.t1.name),
        scratch=Path("/tmp"),  # noqa: S108  # the container's own; a private folder is bound there
        license=Path(_INSIDE / "license.txt"),
    )


def _environment(settings: Settings, seen: Places) -> dict[str, str]:
    """Return what ``SetUpFreeSurfer.sh`` would set, so that no shell has to read it.

    The variables are those of ``FreeSurferEnv.sh`` in FreeSurfer 6 and 7.
    """
    variables = {
        "SUBJECTS_DIR": str(seen.subjects),
        "FS_LICENSE": str(seen.license),
        "OMP_NUM_THREADS": str(settings.threads),
    }
    if settings.home is None:
        return variables
    home, mni = settings.home, settings.home / "mni"
    perl = os.pathsep.join((str(mni / "share" / "perl5"), str(mni / "lib" / "perl5" / "5.8.5")))
    variables |= {
        "FREESURFER_HOME": str(home),
        "FSFAST_HOME": str(home / "fsfast"),
        "FUNCTIONALS_DIR": str(home / "sessions"),
        "LOCAL_DIR": str(home / "local"),
        "FSF_OUTPUT_FORMAT": "nii.gz",
        "FS_OVERRIDE": "0",
        "FIX_VERTEX_AREA": "",
        "OS": "Linux",
        "MNI_DIR": str(mni),
        "MINC_BIN_DIR": str(mni / "bin"),
        "MINC_LIB_DIR": str(mni / "lib"),
        "MNI_DATAPATH": str(mni / "data"),
        "PERL5LIB": perl,
        "MNI_PERL5LIB": perl,
    }
    if settings.container is None:
        ours = (home / "bin", home / "fsfast" / "bin", home / "tktools", mni / "bin")
        variables["PATH"] = os.pathsep.join([*map(str, ours), os.environ.get("PATH", os.defpath)])
    return variables


def _refuse_spaces(settings: Settings, places: Places) -> None:
    """``recon-all`` is a tcsh script that splits paths at spaces."""
    for path in (settings.program, str(places.subjects), str(places.t1), str(places.license)):
        if any(letter.isspace() for letter in path):
            raise BadInput("unusable-path", f"recon-all cannot work with a path that has spaces: {path!r}")


def _in_container(
    runtime: str, image: str, places: Places, seen: Places, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the words before the command: of the host only what is bound is seen, inputs read-only."""
    binds = (
        _bind(places.t1.parent, seen.t1.parent, "ro"),
        _bind(places.license, seen.license, "ro"),
        _bind(places.subjects, seen.subjects, "rw"),
        _bind(places.scratch, seen.scratch, "rw"),
    )
    bound = [word for bind in binds for word in ("-B", bind)]
    told = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return (runtime, "exec", "--containall", "--no-home", *bound, *told, image)


def _bind(source: Path, target: Path, mode: str) -> str:
    """Return one bind; colon and comma have a meaning there and cannot be escaped."""
    if set(str(source)) & set(":,"):
        raise BadInput("unusable-path", f"a container cannot bind a path with ':' or ',': {str(source)!r}")
    return f"{source}:{target}:{mode}"

"""A subject's directory: begun or taken up again, judged when ``recon-all`` ends, and copied out.

It reads what ``recon-all`` leaves under ``scripts/``; how it is called is in
``cci.spiders.freesurfer_command``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cci.spiders.staging import BadInput, say

#: What a complete reconstruction has; everything that report and tables read is among it.
REQUIRED = (
    *(f"mri/{name}.mgz" for name in ("orig", "T1", "brainmask", "brain", "aseg", "aparc+aseg")),
    *(f"surf/{side}.{name}" for side in ("lh", "rh") for name in ("white", "pial", "thickness")),
    *(f"label/{side}.aparc.annot" for side in ("lh", "rh")),
    *("stats/aseg.stats", "stats/lh.aparc.stats", "stats/rh.aparc.stats"),
)
#: Folders that are results; the others (touch, tmp, trash, src, bem) are recon-all's own.
RESULT_FOLDERS = ("mri", "surf", "label", "stats", "scripts")

#: The step with which a stage begins in the log: once it is there, the stage before is complete. FreeSurfer
#: 5.3 does one hemisphere after the other, so only both spheres prove that both are through autorecon2.
_AUTORECON2_BEGAN = (r"^#@# EM Registration ",)
_AUTORECON3_BEGAN = (r"^#@# Sphere lh ", r"^#@# Sphere rh ")


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The folder in which ``recon-all`` works, and one subject's places in it.

    While it is there, another run can go on from it.
    """

    folder: Path
    subject: str

    @property
    def subjects(self) -> Path:
        """``SUBJECTS_DIR``."""
        return self.folder / "subjects"

    @property
    def root(self) -> Path:
        """The subject's directory. Only ``recon-all`` makes it: it refuses ``-i`` if it exists."""
        return self.subjects / self.subject

    @property
    def origin_file(self) -> Path:
        """Where the inputs that the directory was begun with are written down."""
        return self.folder / f"{self.subject}.origin.json"

    def script(self, name: str) -> str:
        """Return the text of a file in ``scripts/``, empty if it is not there."""
        path = self.root / "scripts" / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def write_origin(self, origin: Mapping[str, Any]) -> None:
        """Write down what the directory is begun with, before it is begun."""
        self.subjects.mkdir(parents=True, exist_ok=True)
        self.origin_file.write_text(json.dumps(origin, indent=1), encoding="utf-8")


def workshop_for(outputs: Path, subject: str) -> Workshop:
    """Return the workshop that belongs to a folder of outputs.

    In a job it is ``keep/``, which is handed from an attempt that failed to the next; by hand it is beside.
    """
    absolute = outputs.resolve()
    in_a_job = absolute.with_name("job.json").is_file()
    return Workshop(
        folder=absolute.with_name("keep" if in_a_job else f"{absolute.name}.recon"), subject=subject
    )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- going on -------------------------------------------------------------------------------------


def take_up(workshop: Workshop, origin: Mapping[str, Any]) -> bool:
    """Bring the subject's directory into a state that a run can start from.

    A partial directory that was begun with the same inputs is kept, without the marks that ``recon-all``
    takes for a running process; any other is removed.

    Returns
    -------
    bool
        Whether there is something to go on from.
    """
    if _usable(workshop, origin):
        for mark in list(workshop.root.glob("scripts/IsRunning*")):
            mark.unlink()
        return True
    if workshop.root.exists():
        shutil.rmtree(workshop.root)
    return False


def _usable(workshop: Workshop, origin: Mapping[str, Any]) -> bool:
    """Whether the directory was begun with these inputs, and at least the import of the T1 was completed."""
    if not workshop.origin_file.is_file() or _read_json(workshop.origin_file) != dict(origin):
        return False
    return bool(workshop.script("recon-all.log")) and _whole(workshop.root / "mri" / "orig" / "001.mgz")


def _read_json(path: Path) -> object:
    """Return what the file says; None if its writing was cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _whole(path: Path) -> bool:
    """Whether a compressed image is there up to its checksum."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def stages(flags: Sequence[str], *, resumed: bool, edited: bool, status_log: str) -> list[tuple[str, ...]]:
    """Return the flags of each call of ``recon-all``; edits are put in before the last.

    Parameters
    ----------
    flags
        What the settings ask for.
    resumed
        Whether a partial directory is gone on from.
    edited
        Whether there are edits. They go in once ``-autorecon1`` has made the files that they replace, and all
        of *flags* follows, for ``recon-all`` keeps edits that it finds.
    status_log
        The text of ``recon-all-status.log``.
    """
    if not edited:
        return [_remaining(flags, status_log) if resumed else tuple(flags)]
    if resumed and _all_found(_AUTORECON2_BEGAN, status_log):
        return [tuple(flags)]
    return [("-autorecon1",), tuple(flags)]


def _remaining(flags: Sequence[str], status_log: str) -> tuple[str, ...]:
    """Return *flags* with ``-all`` replaced by the stages that are not complete.

    Without its import, ``recon-all -all`` does everything once more; its stages have been the same since
    version 4 (https://surfer.nmr.mgh.harvard.edu/fswiki/recon-all), and their first steps stand in
    ``recon-all-status.log``.
    """
    left = ["-all"]
    if _all_found(_AUTORECON3_BEGAN, status_log):
        left = ["-autorecon3"]
    elif _all_found(_AUTORECON2_BEGAN, status_log):
        left = ["-autorecon2", "-autorecon3"]
    return tuple(word for flag in flags for word in (left if flag == "-all" else [flag]))


def _all_found(patterns: Iterable[str], text: str) -> bool:
    """Whether every pattern is on some line."""
    return all(re.search(pattern, text, re.MULTILINE) for pattern in patterns)


# -- the end --------------------------------------------------------------------------------------


def is_finished(workshop: Workshop) -> bool:
    """Whether ``recon-all`` says three times that all went well, and everything that is required is there."""
    scripts = workshop.root / "scripts"
    said = (scripts / "recon-all.done").is_file() and not (scripts / "recon-all.error").exists()
    return said and _log_ends_well(workshop.script("recon-all.log")) and not missing(workshop)


def missing(workshop: Workshop) -> list[str]:
    """Return the required files that are not there or empty."""
    paths = ((name, workshop.root / name) for name in REQUIRED)
    return [name for name, path in paths if not path.is_file() or path.stat().st_size == 0]


def _log_ends_well(log: str) -> bool:
    """Whether ``finished without error`` is among the last lines; earlier runs append to the same log."""
    return any("finished without error" in line for line in _lines(log)[-5:])


def _lines(text: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def explain(workshop: Workshop, exit_status: int) -> BadInput:
    """Say why a run did not end well: the step, how the program ended, and what its log says last."""
    steps = re.findall(r"^#@# (.+)$", workshop.script("recon-all-status.log"), re.MULTILINE)
    where = f" in step '{_without_date(steps[-1])}'" if steps else ""
    if exit_status < 0 or exit_status > 128:
        number = -exit_status if exit_status < 0 else exit_status - 128
        how = f"was ended by signal {number}{where}; signal 9 often means too little memory"
        return BadInput("recon-all-killed", f"recon-all {how}; log: {_last_words(workshop)}")
    lost = missing(workshop)
    if exit_status == 0 and _log_ends_well(workshop.script("recon-all.log")) and lost:
        return BadInput("recon-all-incomplete", f"recon-all ended well but left no {', '.join(lost)}")
    return BadInput(
        "recon-all-failed", f"recon-all failed{where} (exit status {exit_status}): {_last_words(workshop)}"
    )


def _without_date(step: str) -> str:
    """Return ``Tessellate lh`` of ``Tessellate lh Thu Oct 21 01:49:01 -03 2021``."""
    return re.sub(r"\s+\w{3} \w{3}\s+\d+ \d\d:\d\d:\d\d.*", "", step)


def _last_words(workshop: Workshop) -> str:
    """Return the command that failed and the last line of the log that says anything."""
    failed = [line[4:] for line in _lines(workshop.script("recon-all.error")) if line.startswith("CMD ")]
    before, _, _ = workshop.script("recon-all.log").rpartition("exited with ERRORS")
    said = [line for line in _lines(before or workshop.script("recon-all.log")) if not _is_noise(line)]
    wrong = [
        line for line in said[-10:] if re.search(r"\b(error|killed|no space|cannot)\b", line, re.IGNORECASE)
    ]
    last = (wrong or said or ["the log is empty"])[-1]
    return f"{last[:300]} (command: {failed[-1][:200]})" if failed else last[:300]


def _is_noise(line: str) -> bool:
    """Whether a line is ``uname -a``, which recon-all prints between the error and its last words."""
    return line.startswith(("Linux ", "Darwin ", "recon-all -s "))


# -- what goes out --------------------------------------------------------------------------------


def copy_results(workshop: Workshop, destination: Path) -> None:
    """Copy the folders that are results; a link becomes the file it stands for, if that is the subject's.

    The times of the files are kept: ``recon-all`` decides by them what has to be done again.
    """
    for folder in RESULT_FOLDERS:
        for path in _files(workshop.root / folder):
            source = _inside(path, workshop.root)
            if source is None:
                say(f"left out: {path} is a link that leads out of the subject's directory")
                continue
            target = destination / path.relative_to(workshop.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _files(folder: Path) -> Iterator[Path]:
    """Yield files and links to files below *folder* in a fixed order; links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names))


def _inside(path: Path, root: Path) -> Path | None:
    """Return the regular file that *path* stands for; None if there is none below *root*."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return real if real.is_file() and real.is_relative_to(root.resolve()) else None

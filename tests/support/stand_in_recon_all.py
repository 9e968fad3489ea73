"""A STAND-IN for FreeSurfer's ``recon-all``: same interface, same files and formats, no anatomy.

FreeSurfer and its licence cannot be had on build machines. This program takes the arguments that the
product uses, refuses what ``recon-all`` refuses, and writes a tree of the same names and formats: the head's
ellipsoid stands for the brain, half an ellipsoid for a hemisphere. The grid is 2 mm (the real one is 1 mm) so
that it takes seconds. No number that it writes says anything about a brain.

It can be told to end badly, by the environment variable ``STAND_IN_RECON_ALL``: ``error:STEP`` fails in a
step as ``recon-all`` does, ``kill:STEP`` ends there by SIGKILL, ``silent`` ends with status 0 and writes
nothing.

`install` makes a folder that looks like an installation.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.stand_in_freesurfer_tree import SIDES, Subject

VARIABLE = "STAND_IN_RECON_ALL"
STAMP = "freesurfer-stand-in-0.0.0-00000000-0000000"
DATE = "Thu Jan  1 00:00:00 UTC 1970"
Step = tuple[int, str, Callable[[], None]]


def steps(subject: Subject) -> list[Step]:
    """Return stage, name and work of each step, in the order of the real log."""

    def nothing() -> None:
        """A step that leaves nothing that anybody reads."""

    return [
        (1, "MotionCor", subject.motion_cor),
        (1, "Talairach", nothing),
        (1, "Intensity Normalization", subject.normalize),
        (1, "Skull Stripping", subject.strip_skull),
        (2, "EM Registration", nothing),
        (2, "SubCort Seg", subject.segment),
        (2, "Mask BFS", subject.mask_brain),
        (2, "Fill", nothing),
        *both(2, "Tessellate", subject.tessellate),
        *both(3, "Sphere", subject.sphere),
        *both(3, "Cortical Parc", subject.parcellate),
        *both(3, "T1PialSurf", subject.place_surfaces),
        (3, "AParc-to-ASeg aparc", subject.label_cortex),
        *both(3, "Parcellation Stats", subject.measure_cortex),
        (3, "ASeg Statistics", subject.measure_structures),
    ]


def both(stage: int, name: str, work: Callable[[str], None]) -> list[Step]:
    """Return a step for each hemisphere."""
    return [(stage, f"{name} {side}", partial(work, side)) for side in SIDES]


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse the part of recon-all's options that the product uses."""
    parser = argparse.ArgumentParser(prog="recon-all", description=__doc__, allow_abbrev=False)
    parser.add_argument("-s", "-subjid", dest="subject", required=True)
    parser.add_argument("-sd", dest="subjects", type=Path, default=os.environ.get("SUBJECTS_DIR"))
    parser.add_argument("-i", dest="input", type=Path)
    parser.add_argument("-all", dest="stages", action="store_const", const=(1, 2, 3), default=())
    for stage in (1, 2, 3):
        parser.add_argument(f"-autorecon{stage}", dest=f"stage{stage}", action="store_true")
    parser.add_argument("-no-isrunning", dest="careless", action="store_true")
    parser.add_argument("-openmp", type=int, default=1)
    options = parser.parse_args(argv)
    options.stages = {*options.stages, *(stage for stage in (1, 2, 3) if getattr(options, f"stage{stage}"))}
    return options


def refusal(options: argparse.Namespace, root: Path) -> str:
    """Return why recon-all would not even begin, empty if it would."""
    license_file = Path(os.environ.get("FS_LICENSE", "/nonexistent"))
    if not license_file.is_file():
        return f"ERROR: FreeSurfer license file {license_file} not found."
    if options.input is not None and root.exists():
        return "ERROR: You are trying to re-run an existing subject with (possibly) new input data (-i)."
    if options.input is None and not root.exists():
        return f"ERROR: cannot find subject {options.subject} in {options.subjects}"
    running = root / "scripts" / "IsRunning.lh+rh"
    if running.exists() and not options.careless:
        return f"ERROR: it appears that recon-all is already running for {options.subject} ({running})"
    return ""


class Log:
    """Writes what recon-all writes: to standard output, the log and the status log at once."""

    def __init__(self, scripts: Path) -> None:
        self.log, self.status = scripts / "recon-all.log", scripts / "recon-all-status.log"

    def write(self, text: str, *, status: bool = False) -> None:
        """Append a line."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
        for path in (self.log, self.status) if status else (self.log,):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")


def main(argv: list[str]) -> int:
    """Run the stages that are asked for."""
    if os.environ.get(VARIABLE) == "silent":
        return 0
    options = parse(argv)
    root = options.subjects / options.subject
    problem = refusal(options, root)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    subject, scripts = Subject(root), root / "scripts"
    if options.input is not None:
        subject.import_volume(options.input)
    scripts.mkdir(exist_ok=True)
    return reconstruct(subject, scripts, options, argv)


def reconstruct(subject: Subject, scripts: Path, options: argparse.Namespace, argv: list[str]) -> int:
    """Do the steps, and leave the files that say how it ended."""
    log = Log(scripts)
    for name in ("recon-all.done", "recon-all.error"):
        (scripts / name).unlink(missing_ok=True)
    (scripts / "IsRunning.lh+rh").write_text(f"SUBJECT {subject.root.name}\n", encoding="utf-8")
    (scripts / "build-stamp.txt").write_text(f"{STAMP}\n", encoding="utf-8")
    if log.log.exists():
        log.write("\n\n#New# invocation of recon-all \n\n", status=True)
    log.write(" ".join(argv))
    for stage, name, work in steps(subject):
        if stage in options.stages:
            log.write(f"#--------------------------------------------\n#@# {name} {DATE}", status=True)
            if not succeeds(name, work, log):
                return fail(scripts, log, name)
    (scripts / "IsRunning.lh+rh").unlink()
    facts = f"START_TIME {DATE}\nEND_TIME {DATE}\nRUNTIME_HOURS 0.001\nCMDARGS {' '.join(argv)}\n"
    (scripts / "recon-all.done").write_text(f"SUBJECT {subject.root.name}\n{facts}", encoding="utf-8")
    log.write(f"\nStarted at {DATE} \nEnded   at {DATE}\n#@#%# recon-all-run-time-hours 0.001")
    log.write(f"recon-all -s {subject.root.name} finished without error at {DATE}", status=True)
    return 0


def succeeds(name: str, work: Callable[[], None], log: Log) -> bool:
    """Do one step, unless the environment says how it shall end."""
    wish = os.environ.get(VARIABLE, "")
    if wish == f"kill:{name}":
        os.kill(os.getpid(), signal.SIGKILL)
    if wish == f"error:{name}":
        log.write("ERROR: stand_in_step: the environment says that this step fails")
        return False
    work()
    return True


def fail(scripts: Path, log: Log, step: str) -> int:
    """End as recon-all does when a program fails."""
    name = scripts.parent.name
    (scripts / "IsRunning.lh+rh").unlink()
    (scripts / "recon-all.error").write_text(f"SUBJECT {name}\nCMD stand_in_step {step}\n", encoding="utf-8")
    log.write("Linux node 6.1.0 x86_64 GNU/Linux\n")
    log.write(f"recon-all -s {name} exited with ERRORS at {DATE}\n", status=True)
    log.write(f"For more details, see the log file {log.log}")
    log.write("To report a problem, see http://surfer.nmr.mgh.harvard.edu/fswiki/BugReporting\n")
    return 1


def install(home: Path) -> Path:
    """Make *home* look like an installation with a licence, and return it.

    The program runs with this Python and these sources.
    """
    program = home / "bin" / "recon-all"
    program.parent.mkdir(parents=True, exist_ok=True)
    sources, python = (
        shlex.quote(str(path)) for path in (Path(__file__).resolve().parents[1], sys.executable)
    )
    call = f'PYTHONPATH={sources} exec {python} -m support.stand_in_recon_all "$@"'
    program.write_text(f"#!/bin/sh\n{call}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (home / "license.txt").write_text("stand-in@example.org\n0\n*not-a-licence\n", encoding="utf-8")
    (home / "build-stamp.txt").write_text(f"{STAMP}\n", encoding="utf-8")
    return home


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""FreeSurfer on one T1: ``recon-all`` run or taken up again, its tree, tables, snapshots and a report.

It computes nothing of the anatomy itself, and never decides which T1 is the best: it gets one. By hand::

    python -m cci.spiders.freesurfer INPUTS OUTPUTS

with ``INPUTS/t1.nii.gz`` and ``INPUTS/inputs.json`` holding ``{"parameters": {"freesurfer_home": …}}``.

Parameters: ``freesurfer_home``, ``container`` (with ``runtime``) or ``recon_all`` say where FreeSurfer is;
``license``, ``subject``, ``flags`` and ``threads`` are those of `freesurfer_command.Settings`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cci.spiders import freesurfer_tree as tree
from cci.spiders.freesurfer_command import (
    Call,
    Places,
    Settings,
    call_recon_all,
    check_node,
    read_settings,
)
from cci.spiders.freesurfer_edits import find_edits, put_edits
from cci.spiders.freesurfer_stats import read_subject, thicknesses, volumes
from cci.spiders.freesurfer_tree import Workshop, workshop_for
from cci.spiders.images import check_finite, read_affine, read_image, size_text
from cci.spiders.measures import write_measures
from cci.spiders.staging import BadInput, Folders, main, say

#: Voxels; no head has fewer on any side.
_SMALLEST_SIDE = 16


def run(folders: Folders) -> None:
    """Reconstruct the subject and write all outputs.

    Raises
    ------
    BadInput
        If the T1, an edit, a parameter or this node does not allow it, or ``recon-all`` does not end well.
    """
    settings = read_settings(folders.parameters, folders.target)
    check_node(settings)
    t1 = folders.one_file("t1", "NIFTI", "*.nii", "*.nii.gz")
    check_t1(t1)
    workshop = workshop_for(folders.outputs, settings.subject)
    edits = find_edits(folders)
    if edits:
        say(f"found {len(edits)} edited files: {', '.join(sorted(edits))}")
    reconstruct(settings, workshop, t1, edits)
    write_outputs(workshop, folders)


def check_t1(path: Path) -> None:
    """Refuse at once what ``recon-all`` would fail on after minutes or hours.

    Raises
    ------
    BadInput
        ``corrupt-image``, ``bad-affine``, ``not-a-volume``, ``not-finite`` or ``empty-image``.
    """
    image, volume = _read_volume(path)
    size = size_text(volume.shape)
    if volume.ndim != 3 or min(volume.shape) < _SMALLEST_SIDE:
        raise BadInput("not-a-volume", f"{path.name} is {size} voxels, not one volume of a head")
    read_affine(image, path.name)
    check_finite(volume, path.name)
    if volume.min() == volume.max():
        raise BadInput("empty-image", f"{path.name} has the same value everywhere")
    say(f"read {path.name}: {size} voxels")


def _read_volume(path: Path) -> tuple[Any, NDArray[np.float32]]:
    """Read all voxels, without axes of length 1 at the end."""
    image, values = read_image(path)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return image, values


def reconstruct(settings: Settings, workshop: Workshop, t1: Path, edits: Mapping[str, Path]) -> None:
    """Run ``recon-all`` until the subject is finished, going on from what an earlier attempt left.

    Raises
    ------
    BadInput
        If ``recon-all`` does not end well.
    """
    places = _prepare(settings, workshop, t1)
    origin = _origin(settings, t1, edits)
    resumed = tree.take_up(workshop, origin)
    workshop.write_origin(origin)
    if resumed and tree.is_finished(workshop):
        say("an earlier attempt has finished this reconstruction; only its results are collected")
        return
    log = workshop.script("recon-all-status.log")
    *before, last = tree.stages(settings.flags, resumed=resumed, edited=bool(edits), status_log=log)
    for flags in before:
        _execute(call_recon_all(settings, places, flags, begin=not resumed), workshop)
    put_edits(edits, workshop.root)
    _execute(call_recon_all(settings, places, last, begin=not (resumed or before)), workshop)
    if not tree.is_finished(workshop):
        raise tree.explain(workshop, 0)


def _prepare(settings: Settings, workshop: Workshop, t1: Path) -> Places:
    """Make the folders of a run; the T1 gets a plain name, for its own may hold anything."""
    given, scratch = workshop.folder / "input", workshop.folder / "scratch"
    for folder in (given, scratch, workshop.subjects):
        folder.mkdir(parents=True, exist_ok=True)
    plain = given / ("t1.nii.gz" if t1.name.endswith(".gz") else "t1.nii")
    shutil.copyfile(t1, plain)
    assert settings.license is not None
    return Places(subjects=workshop.subjects, t1=plain, scratch=scratch, license=settings.license)


def _origin(settings: Settings, t1: Path, edits: Mapping[str, Path]) -> dict[str, Any]:
    """Return what makes two runs the same run."""
    return {
        "t1": tree.digest(t1),
        "edits": {place: tree.digest(path) for place, path in edits.items()},
        "flags": list(settings.flags),
        "freesurfer": settings.origin,
    }


def _execute(call: Call, workshop: Workshop) -> None:
    """Run ``recon-all``; what it prints goes where this program's own output goes, as it comes.

    Raises
    ------
    BadInput
        If it ends with another status than 0.
    """
    say("running: " + " ".join(call.argv))
    done = subprocess.run(
        call.argv, env={**os.environ, **call.environment}, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        raise tree.explain(workshop, done.returncode)


def write_outputs(workshop: Workshop, folders: Folders) -> None:
    """Write DATA, LOG, STATS, SNAPSHOTS and PDF."""
    from cci.spiders.freesurfer_report import write_report

    tree.copy_results(workshop, folders.outputs / "DATA")
    shutil.copyfile(workshop.root / "scripts" / "recon-all.log", folders.output("LOG", "recon-all.log"))
    for path in sorted(workshop.root.glob("stats/*.stats")):
        shutil.copyfile(path, folders.output("STATS", path.name))
    say("copied the reconstruction's files")
    stats = read_subject(workshop.root / "stats")
    write_measures(folders.output("STATS", "volumes.csv"), volumes(stats))
    write_measures(folders.output("STATS", "thickness.csv"), thicknesses(stats))
    write_report(workshop, stats, folders)
    say("wrote volumes.csv, thickness.csv, report.pdf and two snapshots")


def command(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return main(run, argv, description="Reconstruct a T1 with FreeSurfer and report what came out.")


if __name__ == "__main__":
    sys.exit(command())

"""Manual edits of an earlier reconstruction, carried into a new one: which files may go where."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cci.spiders.staging import BadInput, Folders

#: Edited files that ``recon-all`` honours when they are put into a tree after ``-autorecon1``. An edited
#: ``aseg.presurf.mgz`` is not among them: without the ``aseg.auto.mgz`` it was made from it is overwritten.
#: Source: https://surfer.nmr.mgh.harvard.edu/fswiki/Edits
PLACES: Mapping[str, str] = MappingProxyType(
    {
        "brainmask.mgz": "mri/brainmask.mgz",
        "wm.mgz": "mri/wm.mgz",
        "aseg.manedit.mgz": "mri/aseg.manedit.mgz",
        "brain.finalsurfs.manedit.mgz": "mri/brain.finalsurfs.manedit.mgz",
        "control.dat": "tmp/control.dat",
    }
)


def find_edits(folders: Folders) -> dict[str, Path]:
    """Return the edited files by their place in the subject's directory; empty without input ``edits``.

    Raises
    ------
    BadInput
        ``unknown-edit`` for a file that ``recon-all`` would ignore or overwrite.
    """
    folder = folders.inputs / "edits" / "EDITS"
    edits = {}
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        if path.name not in PLACES:
            known = ", ".join(PLACES)
            raise BadInput("unknown-edit", f"EDITS holds {path.name}; edits that can be used are: {known}")
        edits[PLACES[path.name]] = path
    return edits


def put_edits(edits: Mapping[str, Path], root: Path) -> None:
    """Copy the edits over the files of the subject's directory *root*."""
    for place, source in edits.items():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

"""What the JSON file beside an image tells of its acquisition, in the terms of BIDS. It is never required.

Keys and units are those of BIDS (Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44), as dcm2niix writes
them. A value without sense counts as absent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cci.spiders.staging import Folders, say

_NO_FILE, _NO_KEY = "unknown: no JSON sidecar", "unknown: not in the JSON sidecar"
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """The acquisition as far as it is known.

    Attributes
    ----------
    tr_s, te_s
        Repetition and echo time in seconds.
    field_t
        Strength of the static field in tesla.
    phase_encoding
        Voxel axis and polarity, ``j`` or ``j-``; ``j?`` if the polarity is not known.
    scanner
        Maker and model.
    found
        Whether there is a sidecar at all.
    """

    tr_s: float | None = None
    te_s: float | None = None
    field_t: float | None = None
    phase_encoding: str | None = None
    scanner: str | None = None
    found: bool = False

    @property
    def phase_axis(self) -> int | None:
        """Voxel axis of phase encoding: 0, 1 or 2; None if unknown."""
        return None if self.phase_encoding is None else "ijk".index(self.phase_encoding[0])

    def facts(self, affine: NDArray[np.float64], phase_axis: int | None = None) -> list[tuple[str, str]]:
        """Return TE, field strength, phase encoding and scanner as rows of a table.

        Parameters
        ----------
        affine
            (4, 4), of the image; it tells between which sides phase is encoded.
        phase_axis
            What the image's own header tells, for where there is nothing better.
        """
        absent = _NO_KEY if self.found else _NO_FILE
        told = self.phase_encoding or (None if phase_axis is None else f"{'ijk'[phase_axis]}?")
        return [
            ("TE", absent if self.te_s is None else f"{1000 * self.te_s:g} ms"),
            ("field strength", absent if self.field_t is None else f"{self.field_t:g} T"),
            ("phase encoding", absent if told is None else _direction(told, affine)),
            ("scanner", self.scanner or absent),
        ]


NO_SIDECAR = Sidecar()


def read_sidecar(folders: Folders, name: str, image: Path) -> Sidecar:
    """Read the JSON sidecar of *image* in input *name*, resource JSON; nothing about it is an error.

    Of several the one that is called as the image is taken. One that cannot be read, and several of which
    none has the image's name, are left out with a line in the log.
    """
    # by hand, the folder's own description lies beside the sidecar
    found = [path for path in folders.files(name, "JSON", "*.json") if path.name != "inputs.json"]
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    chosen = [path for path in found if path.stem == stem] or found
    if not chosen:
        return NO_SIDECAR
    if len(chosen) > 1:
        say(f"left out: {len(chosen)} JSON files, none called {stem}.json")
        return NO_SIDECAR
    try:
        content = json.loads(chosen[0].read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        say(f"left out: {chosen[0].name} is no JSON ({error})")
        return NO_SIDECAR
    if not isinstance(content, dict):
        say(f"left out: {chosen[0].name} holds no JSON object")
        return NO_SIDECAR
    return parse(content)


def parse(content: Mapping[str, Any]) -> Sidecar:
    """Take what is known out of a sidecar's *content*."""
    words = [content.get("Manufacturer"), content.get("ManufacturersModelName")]
    scanner = " ".join(word.strip() for word in words if isinstance(word, str)).strip()
    return Sidecar(
        tr_s=_positive(content.get("RepetitionTime")),
        te_s=_positive(content.get("EchoTime")),
        field_t=_positive(content.get("MagneticFieldStrength")),
        phase_encoding=_phase(content),
        scanner=scanner or None,
        found=True,
    )


def _positive(value: object) -> float | None:
    """Return a number above zero, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _phase(content: Mapping[str, Any]) -> str | None:
    """Return the phase encoding; dcm2niix writes the axis alone where the header hides the polarity."""
    direction, axis = content.get("PhaseEncodingDirection"), content.get("PhaseEncodingAxis")
    if isinstance(direction, str) and re.fullmatch("[ijk]-?", direction):
        return direction
    return f"{axis}?" if isinstance(axis, str) and re.fullmatch("[ijk]", axis) else None


def _direction(phase: str, affine: NDArray[np.float64]) -> str:
    """Return ``j-, A to P``: the voxel axis with its polarity, and from which side to which it runs."""
    end = nib.aff2axcodes(affine)["ijk".index(phase[0])]
    start = _OPPOSITE[end]
    if phase.endswith("?"):
        return f"{phase[0]}, between {start} and {end}"
    return f"{phase}, {end} to {start}" if phase.endswith("-") else f"{phase}, {start} to {end}"

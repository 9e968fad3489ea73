"""Spider: DICOM to NIfTI with dcm2niix, checked against the headers. It converts and never mends.

::

    python -m cci.spiders.dcm2nii INPUTS OUTPUTS

Input ``dicom``, resource ``DICOM``; outputs ``NIFTI``, ``JSON`` and, for diffusion, ``BVAL`` and ``BVEC``.
The parameter ``dcm2niix`` names the program; without it, that of the Python package, then of the PATH.

Which images count, in this order:

1. Files that are no DICOM image are left out, as are images derived from others (ADC, trace, projections)
   and second copies.
2. The rest must be one series.
3. Of magnitude, phase, real and imaginary images only the first kind that is there is kept.
4. Several echoes become one file each (``_e1``, ``_e2``, …); any other split by dcm2niix is refused.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cci.spiders.dicom_headers import Image, Plane, read_image
from cci.spiders.dicom_stack import COMPONENTS, Stack, component, stack
from cci.spiders.nifti_check import check_gradients, check_image
from cci.spiders.staging import BadInput, Folders, main, say

#: -g i: forget the user's saved defaults; -ba y: no names or dates in the sidecar; -z i: needs no pigz.
_OPTIONS = ("-g", "i", "-b", "y", "-ba", "y", "-z", "i", "-w", "2", "-d", "0", "-f", "image")
#: Where each kind of file goes.
_RESOURCES = {"NIFTI": ".nii.gz", "JSON": ".json", "BVAL": ".bval", "BVEC": ".bvec"}
_LONGEST_NAME = 64
_SAME_ECHO_MS = 0.01
#: What dcm2niix's exit status means (its source, ``nii_dicom.h``).
_ENDINGS = {
    2: "it found no image that it can read",
    4: "a file is corrupt",
    8: "it could not convert all of the images",
    10: "a volume is incomplete",
}


@dataclass(frozen=True, kw_only=True)
class Converted:
    """One image that dcm2niix wrote; *sidecar* is the content of its JSON file."""

    image: Path
    sidecar: Mapping[str, Any]

    @property
    def derived(self) -> bool:
        """Whether dcm2niix, or the scanner, computed it from the others."""
        return "DERIVED" in self.image_type or self.image.name.endswith(("_ADC.nii.gz", "_TRACE.nii.gz"))

    @property
    def image_type(self) -> tuple[str, ...]:
        """The header's ImageType, with dcm2niix's own words added."""
        return tuple(str(word) for word in self.sidecar.get("ImageType", ()))

    @property
    def echo_time_ms(self) -> float | None:
        """Echo time (ms), None where there is none."""
        seconds = self.sidecar.get("EchoTime")
        return None if seconds is None else float(seconds) * 1000

    def beside(self, suffix: str) -> Path:
        """Return the file of the same name with another suffix."""
        return self.image.with_name(self.image.name.removesuffix(".nii.gz") + suffix)


@dataclass(frozen=True, kw_only=True)
class Echo:
    """What the headers promise of one echo."""

    time_ms: float | None
    stack: Stack

    def made(self, converted: Converted) -> bool:
        """Whether *converted* is this echo."""
        if self.time_ms is None or converted.echo_time_ms is None:
            return True
        return abs(self.time_ms - converted.echo_time_ms) < _SAME_ECHO_MS


def run(folders: Folders) -> None:
    """Convert the scan, check it, and leave the results in the outputs.

    Raises
    ------
    BadInput
        If the scan is not one whole image, or the converted image is not what the headers promise.
    """
    images = choose(folders.files("dicom", "DICOM"))
    kind, planes = _kind(images)
    say(f"read {len(images)} DICOM images of series {images[0].series}: {len(planes)} slices, {kind}")
    echoes = _echoes(planes)
    # beside the results, because a node's /tmp may be too small for a long series
    with tempfile.TemporaryDirectory(prefix=".dcm2nii-", dir=folders.outputs) as place:
        made = convert(images, Path(place), find_program(folders.parameters))
        found = _assign([one for one in made if component(one.image_type) == kind], echoes)
        for echo, converted in found:
            check_image(converted.image, echo.stack)
            check_gradients(converted.image, echo.stack)
            say(f"checked against the headers: {_promise(echo.stack)}")
        _save(folders, [converted for _, converted in found], _name(folders, images[0]))


def choose(files: Sequence[Path]) -> list[Image]:
    """Return the images of *files* that count, by rules 1 and 2.

    Raises
    ------
    BadInput
        If none or more than one series is left (``missing-file``, ``not-dicom``, ``derived-images``,
        ``several-series``), or a header is broken.
    """
    # the folder's own description lies among the files when a spider is run by hand
    files = [path for path in files if path.name != "inputs.json"]
    if not files:
        raise BadInput("missing-file", "resource DICOM of input 'dicom' holds no file")
    images = {image.uid: image for image in map(read_image, files) if image is not None}
    if not images:
        raise BadInput("not-dicom", f"none of the {len(files)} files in resource DICOM is a DICOM image")
    original = [image for image in images.values() if not all(plane.derived for plane in image.planes)]
    if not original:
        raise BadInput("derived-images", f"the scan holds {len(images)} computed and no acquired images")
    series = {image.series_uid: image.series for image in original}
    if len(series) > 1:
        names = ", ".join(sorted(series.values()))
        raise BadInput("several-series", f"the scan holds {len(series)} series instead of one: {names}")
    return original


def _kind(images: Sequence[Image]) -> tuple[str, list[Plane]]:
    """Return the preferred kind of image that is there, and its planes (rule 3)."""
    planes = [plane for image in images for plane in image.planes if not plane.derived]
    kind = min((component(plane.image_type) for plane in planes), key=COMPONENTS.index)
    return kind, [plane for plane in planes if component(plane.image_type) == kind]


def _echoes(planes: Sequence[Plane]) -> list[Echo]:
    """Return what the headers promise of each echo, the earliest first."""
    times = {plane.echo_time_ms for plane in planes}
    return [
        Echo(time_ms=time, stack=stack([plane for plane in planes if plane.echo_time_ms == time]))
        for time in sorted(times, key=lambda time: time or 0.0)
    ]


def find_program(parameters: Mapping[str, Any]) -> str:
    """Return dcm2niix's path: the parameter's, else the Python package's, else the PATH's.

    Raises
    ------
    BadInput
        If there is none (``missing-program``).
    """
    wanted = str(parameters.get("dcm2niix") or _packaged())
    program = shutil.which(wanted)
    if program is None:
        raise BadInput("missing-program", f"this node has no program {wanted!r}; pip install dcm2niix")
    return program


def _packaged() -> str:
    try:
        import dcm2niix
    except ImportError:
        return "dcm2niix"
    return str(dcm2niix.bin)


def convert(images: Sequence[Image], place: Path, program: str) -> list[Converted]:
    """Run dcm2niix on *images* in the empty folder *place*; return what it wrote, without derived images.

    Raises
    ------
    BadInput
        If it fails or writes nothing (``conversion-failed``).
    """
    source, target = place / "dicom", place / "nifti"
    source.mkdir()
    target.mkdir()
    # dcm2niix sees the chosen images only, under names that nobody else gave
    for number, image in enumerate(images, start=1):
        (source / f"{number:06d}.dcm").symlink_to(image.path.resolve())
    ended = subprocess.run(
        [program, *_OPTIONS, "-o", str(target), str(source)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    sys.stdout.write(ended.stdout + ended.stderr)
    made = [_converted(path) for path in sorted(target.glob("*.nii.gz"))]
    if ended.returncode != 0 or not made:
        raise BadInput("conversion-failed", _why(ended))
    return [one for one in made if not one.derived]


def _converted(image: Path) -> Converted:
    sidecar = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    return Converted(image=image, sidecar=json.loads(sidecar.read_text(encoding="utf-8", errors="replace")))


def _why(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (ended.stdout + "\n" + ended.stderr).splitlines()]
    told = [line for line in lines if line.startswith(("Error", "Warning"))]
    status = ended.returncode
    unknown = f"it ended with status {status}" if status >= 0 else f"signal {-status} ended it"
    ending = _ENDINGS.get(status, unknown)
    return f"dcm2niix could not convert the scan: {ending}" + (f" ({told[-1]})" if told else "")


def _assign(made: Sequence[Converted], echoes: Sequence[Echo]) -> list[tuple[Echo, Converted]]:
    """Return each echo with the one image that was made of it (rule 4)."""
    found = [(echo, [one for one in made if echo.made(one)]) for echo in echoes]
    if len(made) != len(echoes) or any(len(ones) != 1 for _, ones in found):
        raise BadInput(
            "split-series",
            f"dcm2niix made {len(made)} images of this scan, the headers promise {len(echoes)}: "
            "its images do not belong together",
        )
    return [(echo, ones[0]) for echo, ones in found]


def _name(folders: Folders, image: Image) -> str:
    """Return a name for the results from the scan's number and description, of harmless characters only."""
    scan = str(folders.scan("dicom").get("id", ""))
    text = f"{scan} {image.series.partition(' ')[2]}" if scan else image.series
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:_LONGEST_NAME] or "image"


def _promise(promised: Stack) -> str:
    """Say what was found to be as promised."""
    size = " × ".join(str(side) for side in promised.shape)
    weighted = f", {promised.weighted} of them diffusion-weighted" if promised.weighted else ""
    return f"{size} voxels, {promised.volumes} volumes{weighted}"


def _save(folders: Folders, found: Sequence[Converted], name: str) -> None:
    for number, converted in enumerate(found, start=1):
        stem = name if len(found) == 1 else f"{name}_e{number}"
        for resource, suffix in _RESOURCES.items():
            if converted.beside(suffix).is_file():
                converted.beside(suffix).replace(folders.output(resource, stem + suffix))
                say(f"wrote {resource}/{stem}{suffix}")


if __name__ == "__main__":
    sys.exit(main(run, description="Convert a scan's DICOM files to NIfTI and check the result."))

"""DTI QA: motion, dropouts, noise and the tensor of a diffusion series, as a report, maps and figures.

    python -m cci.spiders.dti_qa INPUTS OUTPUTS

reads input ``dwi`` (resources NIFTI, BVAL and BVEC, one file each) and writes

=========== ==================== ====================================================================
resource    file                 what
=========== ==================== ====================================================================
PDF         report.pdf           the report
STATS       stats.csv            name, value, unit, description
FA          fa.nii.gz            fractional anisotropy
MD          md.nii.gz            mean diffusivity, mm²/s
AD          ad.nii.gz            axial diffusivity, mm²/s
RD          rd.nii.gz            radial diffusivity, mm²/s
COLORFA     color_fa.nii.gz      main direction weighted by FA, RGB, in world axes
RESIDUALS   residuals.nii.gz     root mean square residual of the fit, percent of b0
MASK        mask.nii.gz          the brain
GRADIENTS   rotated.bvec         gradients turned with the head, FSL's convention
GRADIENTS   motion.csv           one line a volume: motion from volume 0
GRADIENTS   outliers.csv         one line an outlying slice
SNAPSHOTS   thumbnail.png        256 pixels wide
SNAPSHOTS   large.png            the report's first page
=========== ==================== ====================================================================

All maps are in the pose of the first b0 volume. It judges nothing: whether a scan is good enough is a
person's decision.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cci.spiders import staging
from cci.spiders.dti_analysis import Analysis, analyse
from cci.spiders.dti_input import read_series, world_to_fsl
from cci.spiders.dti_measures import MOTION_COLUMNS, OUTLIER_COLUMNS, measures, motion_rows, outlier_rows
from cci.spiders.dti_report import make_report, thumbnail
from cci.spiders.images import save_map
from cci.spiders.masks import widened
from cci.spiders.measures import Measure, write_measures
from cci.spiders.qa_pages import save_pages
from cci.spiders.registration import FloatArray
from cci.spiders.staging import Folders, say
from cci.spiders.tables import write_rows

_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def run(folders: Folders) -> None:
    """Judge the series in *folders* and write every result.

    Raises
    ------
    BadInput
        If the series cannot be judged; nothing is written then.
    """
    analysis = analyse(read_series(folders))
    figures = measures(analysis)
    write_measures(folders.output("STATS", "stats.csv"), figures)
    _write_maps(folders, analysis)
    _write_gradients(folders, analysis)
    say(f"wrote stats.csv, {len(figures)} measures, maps and gradients")
    _write_pages(folders, analysis, figures)


def _write_maps(folders: Folders, analysis: Analysis) -> None:
    maps = analysis.tensor
    images: dict[str, npt.NDArray[Any]] = {
        "fa": maps.fa.astype(np.float32),
        "md": maps.md.astype(np.float32),
        "ad": maps.ad.astype(np.float32),
        "rd": maps.rd.astype(np.float32),
        "color_fa": as_rgb(maps.color_fa),
        "residuals": maps.residual_percent.astype(np.float32),
        "mask": analysis.mask.astype(np.uint8),
    }
    for name, data in images.items():
        path = folders.output(name.upper().replace("_", ""), f"{name}.nii.gz")
        save_map(path, data, analysis.series.affine)


def as_rgb(colors: FloatArray) -> npt.NDArray[Any]:
    """Turn colours (X, Y, Z, 3) between 0 and 1 into NIfTI's RGB24, shape (X, Y, Z)."""
    levels = np.ascontiguousarray(np.rint(255.0 * np.clip(colors, 0.0, 1.0)).astype(np.uint8))
    return levels.view(_RGB)[..., 0]


def _write_gradients(folders: Folders, analysis: Analysis) -> None:
    rotated = world_to_fsl(analysis.aligned.directions, analysis.series.affine)
    np.savetxt(folders.output("GRADIENTS", "rotated.bvec"), rotated.T, fmt="%.6f")
    write_rows(folders.output("GRADIENTS", "motion.csv"), MOTION_COLUMNS, motion_rows(analysis))
    write_rows(folders.output("GRADIENTS", "outliers.csv"), OUTLIER_COLUMNS, outlier_rows(analysis))


def _write_pages(folders: Folders, analysis: Analysis, figures: Sequence[Measure]) -> None:
    report = make_report(analysis, figures, folders.target)
    affine = analysis.series.affine
    save_pages(folders, report, thumbnail(analysis), affine, widened(analysis.mask, affine, 3.0))


if __name__ == "__main__":
    sys.exit(staging.main(run, description="DTI QA of a diffusion series"))

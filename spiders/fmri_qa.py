"""fMRI QA: motion, noise and events of a BOLD series, as a report, maps and figures.

    python -m cci.spiders.fmri_qa INPUTS OUTPUTS

reads input ``bold`` (resource NIFTI; parameter ``tr_s`` if the header lacks the repetition time) and writes

=========== ==================== ====================================================================
resource    file                 what
=========== ==================== ====================================================================
PDF         report.pdf           the report
STATS       stats.csv            name, value, unit, description
TIMESERIES  timeseries.csv       one line a volume: FD, DVARS, global signal, outliers, spike, motion
MOTION      motion.csv           one line a volume: rigid matrix from volume 0, world mm
TSNR        tsnr.nii.gz          temporal SNR without drift and spikes, in the brain
SFNR        sfnr.nii.gz          signal-to-fluctuation-noise ratio as acquired
MEAN        mean.nii.gz          mean of the realigned volumes
MASK        mask.nii.gz          the brain
SNAPSHOTS   thumbnail.png        256 pixels wide
SNAPSHOTS   large.png            the report's first page
=========== ==================== ====================================================================

It judges nothing: whether a scan is good enough is a person's decision.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cci.spiders import staging
from cci.spiders.fmri_analysis import Analysis, analyse
from cci.spiders.fmri_measures import measures, motion_table, time_series
from cci.spiders.fmri_report import make_report, thumbnail
from cci.spiders.fmri_series import read_bold
from cci.spiders.images import save_map
from cci.spiders.measures import Measure, write_measures
from cci.spiders.qa_pages import save_pages
from cci.spiders.staging import Folders, say
from cci.spiders.tables import write_columns


def run(folders: Folders) -> None:
    """Judge the series in *folders* and write every result.

    Raises
    ------
    BadInput
        If the series cannot be judged; nothing is written then.
    """
    analysis = analyse(read_bold(folders))
    figures = measures(analysis)
    _write_tables(folders, analysis, figures)
    _write_images(folders, analysis)
    say(f"wrote stats.csv, {len(figures)} measures, time series and maps")
    _write_pages(folders, analysis, figures)


def _write_tables(folders: Folders, analysis: Analysis, figures: Sequence[Measure]) -> None:
    write_measures(folders.output("STATS", "stats.csv"), figures)
    write_columns(folders.output("TIMESERIES", "timeseries.csv"), time_series(analysis))
    write_columns(folders.output("MOTION", "motion.csv"), motion_table(analysis))


def _write_images(folders: Folders, analysis: Analysis) -> None:
    images: dict[str, NDArray[Any]] = {
        "tsnr": analysis.volume(analysis.tsnr),
        "sfnr": analysis.sfnr.astype(np.float32),
        "mean": analysis.mean,
        "mask": analysis.mask.astype(np.uint8),
    }
    for name, data in images.items():
        save_map(folders.output(name.upper(), f"{name}.nii.gz"), data, analysis.bold.affine)


def _write_pages(folders: Folders, analysis: Analysis, figures: Sequence[Measure]) -> None:
    report = make_report(analysis, figures, folders.target)
    save_pages(folders, report, thumbnail(analysis), analysis.bold.affine, analysis.mask)


if __name__ == "__main__":
    sys.exit(staging.main(run, description="fMRI QA of a BOLD series"))

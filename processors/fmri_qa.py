"""fMRI QA: measure motion, stability and artefacts of a BOLD series."""

from __future__ import annotations

from datetime import timedelta

from cci.processor import Output, Scan, ScanProcessor


class FmriQaProcessor(ScanProcessor):
    """Measure motion, temporal stability and spikes of a BOLD series.

    Memory grows with voxels × volumes: 0.5 GB for 64 × 76 × 60 voxels and 100 volumes, 1.7 GB for 77 × 91 ×
    72 voxels and 300 volumes. Beyond about 700 such volumes it needs a larger *memory_mb*.
    """

    version = "1.0.0"
    inputs = (
        Scan(
            "bold",
            type=["fMRI*", "FMRI*", "BOLD*", "bold*", "rest*"],
            resources=["NIFTI"],
            optional=["JSON"],
        ),
    )
    outputs = (
        Output("PDF", "report.pdf"),
        Output("STATS", "stats.csv"),
        Output("TIMESERIES", "timeseries.csv"),
        Output("MOTION", "motion.csv"),
        Output("TSNR", "tsnr.nii.gz"),
        Output("SFNR", "sfnr.nii.gz"),
        Output("MEAN", "mean.nii.gz"),
        Output("MASK", "mask.nii.gz"),
        Output("SNAPSHOTS", "thumbnail.png"),
        Output("SNAPSHOTS", "large.png"),
    )
    walltime = timedelta(hours=2)
    memory_mb = 4096
    spider = "cci.spiders.fmri_qa"

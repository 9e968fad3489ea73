"""DTI QA: fit the diffusion tensor of a scan and report its quality."""

from __future__ import annotations

from datetime import timedelta

from cci.processor import Output, Scan, ScanProcessor


class DtiQaProcessor(ScanProcessor):
    """Fit the diffusion tensor and report its quality (Lauzon et al. 2013).

    Memory grows with voxels × volumes: 0.6 GB for 64 × 76 × 60 voxels and 40 volumes, 2.6 GB for 96 × 114 ×
    90 voxels and 72 volumes. Beyond about 110 such volumes it needs a larger *memory_mb*.
    """

    version = "1.0.0"
    inputs = (
        Scan("dwi", type=["DTI*", "DWI*", "dwi*"], resources=["NIFTI", "BVAL", "BVEC"], optional=["JSON"]),
    )
    outputs = (
        Output("PDF", "report.pdf"),
        Output("STATS", "stats.csv"),
        Output("FA", "fa.nii.gz"),
        Output("MD", "md.nii.gz"),
        Output("AD", "ad.nii.gz"),
        Output("RD", "rd.nii.gz"),
        Output("COLORFA", "color_fa.nii.gz"),
        Output("RESIDUALS", "residuals.nii.gz"),
        Output("MASK", "mask.nii.gz"),
        Output("GRADIENTS", "rotated.bvec"),
        Output("GRADIENTS", "motion.csv"),
        Output("GRADIENTS", "outliers.csv"),
        Output("SNAPSHOTS", "thumbnail.png"),
        Output("SNAPSHOTS", "large.png"),
    )
    walltime = timedelta(hours=4)
    memory_mb = 4096
    spider = "cci.spiders.dti_qa"

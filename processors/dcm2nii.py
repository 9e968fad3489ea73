"""DICOM→NIfTI: convert a scan and attach the result to the scan itself, where other processors find it."""

from __future__ import annotations

from datetime import timedelta

from cci.processor import Output, Scan, ScanProcessor


class Dcm2NiiProcessor(ScanProcessor):
    """Convert a scan's DICOM files to NIfTI with dcm2niix, and check the result against the headers.

    Memory: 0.1 GB for 2400 slices of 64 × 76; dcm2niix holds the whole image, so that 1 GB is enough for any
    usual series.
    """

    version = "1.0.0"
    inputs = (Scan("dicom", type=["*"], resources=["DICOM"]),)
    outputs = (
        Output("NIFTI", "*.nii.gz", to="scan"),
        Output("JSON", "*.json", to="scan", required=False),
        Output("BVAL", "*.bval", to="scan", required=False),
        Output("BVEC", "*.bvec", to="scan", required=False),
    )
    walltime = timedelta(hours=1)
    memory_mb = 1024
    spider = "cci.spiders.dcm2nii"

"""Sample images with a known truth: a head, and what a scanner would make of it.

::

    anatomy = head()                             # tissue fractions on a 3 mm grid, brain mask, RAS+ affine
    scan = t1(anatomy, seed=1)                   # a Volume
    scan = dwi(anatomy, seed=1, dropouts=3)      # a Diffusion series: true FA, MD, motion, dropouts
    scan = bold(anatomy, seed=1, spikes=4)       # a Bold series: true tSNR, drift, motion, spikes
    write_nifti(scan, folder, name="dwi")        # .nii.gz, with .bval and .bvec for a Diffusion
    write_dicom(scan, folder, visit=Visit(patient_id="P1"), number=3)   # one file a slice
    faults.corrupt(path)                         # and other ways in which data go bad

Everything is decided by the seed. These are stand-ins for scans of people: good enough to hold a pipeline's
figures against, not for anything about brains. Motion matrices take a point's place in volume 0 to its
place in volume v, in world millimetres.
"""

from __future__ import annotations

from cci.phantom import faults
from cci.phantom.anatomy import Head, head
from cci.phantom.dicom import Visit, write_dicom
from cci.phantom.diffusion import dwi
from cci.phantom.functional import bold
from cci.phantom.nifti import write_nifti
from cci.phantom.series import Bold, Diffusion, Series, Volume
from cci.phantom.structural import t1

__all__ = [
    "Bold",
    "Diffusion",
    "Head",
    "Series",
    "Visit",
    "Volume",
    "bold",
    "dwi",
    "faults",
    "head",
    "t1",
    "write_dicom",
    "write_nifti",
]

"""What the pipelines that come with cci say when an input cannot be processed; see ``spiders/``.

One row for each code that they give: the code, what it means, and what a person can do.
"""

from __future__ import annotations

_IMAGE = "look at the scan; convert or upload it again, or mark it unusable"
_GRADIENTS = "compare b-values and b-vectors with the image; convert the scan again from its DICOM"
_FILES = "upload the whole scan again"
_DICOM = "look at the DICOM resource of the scan; upload it again, or mark the scan unusable"
_SETTINGS = "mend the parameters of the processor in the settings"
_NODE = "install it on every node, or name its place in the settings of the processor"
_LOG = "read the end of the log with `cci logs`"

PIPELINE_CAUSES: tuple[tuple[str, str, str], ...] = (
    ("bad-affine", "the image's header gives no orientation or voxel size", _IMAGE),
    ("bad-b-values", "a b-value is negative or not a number", _GRADIENTS),
    ("bad-parameter", "a parameter of the processor cannot be used", _SETTINGS),
    ("constant-series", "all volumes of the series are the same", _IMAGE),
    ("container-missing", "the container image or its runtime is not on the node", _NODE),
    ("conversion-failed", "dcm2niix failed", _LOG),
    ("corrupt-dicom", "a DICOM header is broken", _DICOM),
    ("corrupt-gradients", "the table of b-values or b-vectors cannot be read", _GRADIENTS),
    ("corrupt-image", "the image is not a whole NIfTI file", _IMAGE),
    ("corrupt-output", "recon-all left an image or surface that cannot be read", _LOG),
    ("corrupt-stats", "recon-all left a table of statistics that cannot be read", _LOG),
    ("derived-images", "the scan holds only computed images", "mark the scan unusable"),
    ("empty-image", "the image has one value everywhere", _IMAGE),
    ("empty-volume", "a volume of the series has one value everywhere", _IMAGE),
    ("freesurfer-missing", "FreeSurfer is not on the node", _NODE),
    ("gradient-count", "there are not as many gradients as volumes", _GRADIENTS),
    ("gradient-mismatch", "the converted gradients are not those of the headers", _DICOM),
    ("gradients-not-unit", "b-vectors do not have length 1", _GRADIENTS),
    ("header-mismatch", "the converted image is not what the DICOM headers promise", _DICOM),
    ("image-too-small", "the image has too few voxels for this pipeline", _IMAGE),
    ("license-missing", "the licence file is missing or cannot be read on the node", _NODE),
    ("localizer", "the scan is a localizer", "mark the scan unusable"),
    ("missing-file", "an input resource lacks its file", "upload the file; `cci why` names the resource"),
    ("missing-program", "a program that the pipeline needs is not on the node", _NODE),
    ("missing-slices", "slices of the scan are missing", _FILES),
    ("no-b0", "the series has no volume without diffusion weighting", _GRADIENTS),
    ("no-brain", "no brain can be found in the image", _IMAGE),
    ("not-4d", "the image is not a series of volumes", _IMAGE),
    ("not-a-series", "the image is not a series of volumes", _IMAGE),
    ("not-a-volume", "the image is not one volume", _IMAGE),
    ("not-dicom", "no file of the resource is a DICOM image", _DICOM),
    ("not-finite", "the image has values that are no numbers", _IMAGE),
    ("recon-all-failed", "recon-all failed", _LOG),
    ("recon-all-incomplete", "recon-all ended well and left files out", _LOG),
    ("recon-all-killed", "recon-all was killed", f"{_LOG}; it goes on from where it was with `cci rerun`"),
    ("several-files", "an input resource holds several files where one is meant", "leave one of them"),
    ("several-series", "the scan holds more than one series", _FILES),
    ("split-series", "the images of the scan do not belong together", _FILES),
    ("too-few-directions", "there are too few gradient directions for a tensor", "mark the scan unusable"),
    ("too-few-volumes", "the series has too few volumes", "mark the scan unusable"),
    ("unknown-edit", "EDITS holds a file that is no edit of FreeSurfer", "remove or rename it"),
    ("unusable-path", "FreeSurfer cannot work with a path that has spaces", "give work_dir a plain path"),
)

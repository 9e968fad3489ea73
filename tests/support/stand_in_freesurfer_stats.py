"""STAND-IN for FreeSurfer's ``.stats`` files: the real headers and columns, numbers out of an ellipsoid.

See ``stand_in_recon_all``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

REGIONS = (
    "bankssts caudalanteriorcingulate caudalmiddlefrontal cuneus entorhinal fusiform inferiorparietal",
    "inferiortemporal isthmuscingulate lateraloccipital lateralorbitofrontal lingual medialorbitofrontal",
    "middletemporal parahippocampal paracentral parsopercularis parsorbitalis parstriangularis pericalcarine",
    "postcentral posteriorcingulate precentral precuneus rostralanteriorcingulate rostralmiddlefrontal",
    "superiorfrontal superiorparietal superiortemporal supramarginal frontalpole temporalpole",
    "transversetemporal insula",
)
REGION_NAMES = [name for line in REGIONS for name in line.split()]
STRUCTURES = (
    ("Lateral-Ventricle", 4, 43, (0.14, 0.05, 0.1), (0.08, 0.35, 0.12)),
    ("Thalamus", 10, 49, (0.17, -0.12, -0.05), (0.14, 0.16, 0.13)),
    ("Caudate", 11, 50, (0.22, 0.2, 0.1), (0.08, 0.18, 0.12)),
    ("Putamen", 12, 51, (0.38, 0.1, -0.05), (0.1, 0.2, 0.14)),
    ("Pallidum", 13, 52, (0.28, 0.04, -0.08), (0.06, 0.1, 0.08)),
    ("Hippocampus", 17, 53, (0.38, -0.25, -0.3), (0.09, 0.2, 0.09)),
    ("Amygdala", 18, 54, (0.34, 0.02, -0.35), (0.09, 0.09, 0.09)),
)
MIDLINE = (
    ("3rd-Ventricle", 14, (0.0, -0.05, -0.08), (0.03, 0.12, 0.12)),
    ("Brain-Stem", 16, (0.0, -0.2, -0.55), (0.14, 0.14, 0.3)),
)
ASEG_COLUMNS = (
    ("Index", "Index", "NA"),
    ("SegId", "Segmentation Id", "NA"),
    ("NVoxels", "Number of Voxels", "unitless"),
    ("Volume_mm3", "Volume", "mm^3"),
    ("StructName", "Structure Name", "NA"),
    ("normMean", "Intensity normMean", "MR"),
    ("normStdDev", "Itensity normStdDev", "MR"),
    ("normMin", "Intensity normMin", "MR"),
    ("normMax", "Intensity normMax", "MR"),
    ("normRange", "Intensity normRange", "MR"),
)
APARC_COLUMNS = (
    ("StructName", "Structure Name", "NA"),
    ("NumVert", "Number of Vertices", "unitless"),
    ("SurfArea", "Surface Area", "mm^2"),
    ("GrayVol", "Gray Matter Volume", "mm^3"),
    ("ThickAvg ", "Average Thickness", "mm"),
    ("ThickStd", "Thickness StdDev", "mm "),
    ("MeanCurv", "Integrated Rectified Mean Curvature", "mm^-1"),
    ("GausCurv ", "Integrated Rectified Gaussian Curvature", "mm^-2"),
    ("FoldInd", "Folding Index ", "unitless "),
    ("CurvInd", "Intrinsic Curvature Index", "unitless"),
)


def header(title: str, facts: list[str], columns: tuple[tuple[str, str, str], ...], rows: int) -> list[str]:
    """Return the commented lines of a ``.stats`` file."""
    described = [
        f"# TableCol {number:2d} {key:<9} {text}"
        for number, (name, long, unit) in enumerate(columns, start=1)
        for key, text in (("ColHeader", name), ("FieldName", long), ("Units", unit))
    ]
    names = " ".join(name.strip() for name, _, _ in columns)
    counts = [f"# NRows {rows} ", f"# NTableCols {len(columns)} "]
    return [f"# {title} ", "# ", *facts, *described, *counts, f"# ColHeaders  {names}"]


def aparc_stats(subject: str, side: str, regions: Array, area: Array, thickness: Array) -> str:
    """Return ``?h.aparc.stats`` for region, area (mm²) and thickness (mm) of each vertex, all (V,)."""
    facts = [
        "# generating_program mris_anatomical_stats (stand-in)",
        f"# subjectname {subject}",
        f"# hemi {side}",
        f"# Measure Cortex, NumVert, Number of Vertices, {len(area)}, unitless",
        f"# Measure Cortex, WhiteSurfArea, White Surface Total Area, {area.sum():.1f}, mm^2",
        f"# Measure Cortex, MeanThickness, Mean Thickness, {np.average(thickness, weights=area):.5f}, mm",
    ]
    lines = [
        region_line(name, area[regions == index], thickness[regions == index])
        for index, name in enumerate(REGION_NAMES)
    ]
    title = "Table of FreeSurfer cortical parcellation anatomical statistics"
    return "\n".join([*header(title, facts, APARC_COLUMNS, len(lines)), *lines, ""])


def region_line(name: str, area: Array, thickness: Array) -> str:
    """Return one region's line; curvatures are of no cortex at all."""
    size = f"{len(area):5d} {area.sum():6.0f} {(area * thickness).sum():6.0f}"
    return f"{name:<40}{size} {thickness.mean():6.3f} {thickness.std():5.3f} 0.100 0.020 10 1.0"


def aseg_stats(subject: str, labels: Array, norm: Array, voxel_mm3: float) -> str:
    """Return ``aseg.stats`` for a segmentation and the intensities below it."""
    found = [(name, label, norm[labels == label]) for name, label in label_names() if (labels == label).any()]
    lines = [
        f"{number:3d} {label:3d} {own.size:8d} {own.size * voxel_mm3:10.1f}  {name:<30} {intensities(own)} "
        for number, (name, label, own) in enumerate(found, start=1)
    ]
    facts = ["# generating_program mri_segstats (stand-in)", f"# subjectname {subject}"]
    facts += global_measures(labels, voxel_mm3)
    return "\n".join([*header("Title Segmentation Statistics", facts, ASEG_COLUMNS, len(lines)), *lines, ""])


def intensities(values: Array) -> str:
    """Return mean, standard deviation, minimum, maximum and range."""
    figures = (values.mean(), values.std(), values.min(), values.max(), np.ptp(values))
    return " ".join(f"{float(figure):10.4f}" for figure in figures)


def label_names() -> Iterator[tuple[str, int]]:
    """Yield structures in the order of their labels, as in the real table."""
    names = {left: f"Left-{name}" for name, left, _, _, _ in STRUCTURES}
    names |= {right: f"Right-{name}" for name, _, right, _, _ in STRUCTURES}
    names |= {label: name for name, label, _, _ in MIDLINE}
    yield from ((names[label], label) for label in sorted(names))


GROUPS = {
    "cortex": (3, 42),
    "white": (2, 41),
    "csf": (4, 43, 14),
    "deep": (10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54),
}


def global_measures(labels: Array, voxel_mm3: float) -> list[str]:
    """Return the ``# Measure`` lines."""
    size = {name: float(np.isin(labels, which).sum()) * voxel_mm3 for name, which in GROUPS.items()}
    brain = float((labels > 0).sum()) * voxel_mm3
    volumes = (
        ("BrainSeg", "BrainSegVol", "Brain Segmentation Volume", brain),
        (
            "BrainSegNotVent",
            "BrainSegVolNotVent",
            "Brain Segmentation Volume Without Ventricles",
            brain - size["csf"],
        ),
        ("Cortex", "CortexVol", "Total cortical gray matter volume", size["cortex"]),
        (
            "CerebralWhiteMatter",
            "CerebralWhiteMatterVol",
            "Total cerebral white matter volume",
            size["white"],
        ),
        ("SubCortGray", "SubCortGrayVol", "Subcortical gray matter volume", size["deep"]),
        ("TotalGray", "TotalGrayVol", "Total gray matter volume", size["cortex"] + size["deep"]),
        ("EstimatedTotalIntraCranialVol", "eTIV", "Estimated Total Intracranial Volume", 1.1 * brain),
    )
    ratio = ("BrainSegVol-to-eTIV", "BrainSegVol-to-eTIV", "Ratio of BrainSegVol to eTIV", 1 / 1.1)
    holes = [
        (f"{side}SurfaceHoles", f"{side}SurfaceHoles", f"Number of defect holes in {side} surfaces", count)
        for side, count in (("lh", 12), ("rh", 17))
    ]
    return [measure(*fields, "mm^3") for fields in volumes] + [
        measure(*fields, "unitless") for fields in (ratio, *holes)
    ]


def measure(structure: str, name: str, description: str, value: float, unit: str) -> str:
    """Return one ``# Measure`` line."""
    text = str(value) if isinstance(value, int) else f"{value:.6f}"
    return f"# Measure {structure}, {name}, {description}, {text}, {unit}"

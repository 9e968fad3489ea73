"""FreeSurfer's .stats files: the excerpts are in the form of FreeSurfer 7.1's."""

from __future__ import annotations

import pytest

from cci.spiders.freesurfer_stats import SubjectStats, euler_numbers, parse_stats, thicknesses, volumes

ASEG = """\
# Title Segmentation Statistics
#
# generating_program mri_segstats
# cmdline mri_segstats --seg mri/aseg.mgz --sum stats/aseg.stats
# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 912625.000000, mm^3
# Measure lhSurfaceHoles, lhSurfaceHoles, Number of defect holes in lh surfaces prior to fixing, 9, unitless
# Measure rhSurfaceHoles, rhSurfaceHoles, Number of defect holes in rh surfaces prior to fixing, 0, unitless
# TableCol  1 ColHeader Index
# TableCol  1 FieldName Index
# TableCol  1 Units     NA
# TableCol  4 ColHeader Volume_mm3
# TableCol  4 FieldName Volume
# TableCol  4 Units     mm^3
# TableCol  5 ColHeader StructName
# TableCol  5 FieldName Structure Name
# TableCol  5 Units     NA
# NRows 2
# NTableCols 5
# ColHeaders  Index SegId NVoxels Volume_mm3 StructName
  1   4      7200     7256.6  Left-Lateral-Ventricle
  2  16     20001    20010.4  Brain-Stem
"""
APARC = """\
# Table of FreeSurfer cortical parcellation anatomical statistics
# Measure Cortex, NumVert, Number of Vertices, 93620, unitless
# Measure Cortex, WhiteSurfArea, White Surface Total Area,  56631.5, mm^2
# Measure Cortex, MeanThickness, Mean Thickness, 2.59632, mm
# BrainVolStatsFixed-NotNeeded because voxelvolume=1mm3
# NTableCols 10
# TableCol  4 ColHeader GrayVol
# TableCol  4 FieldName Gray Matter Volume
# TableCol  4 Units     mm^3
# TableCol  5 ColHeader ThickAvg \n# TableCol  5 FieldName Average Thickness
# TableCol  5 Units     mm
# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd MeanCurv GausCurv FoldInd CurvInd
bankssts                                  686    458   1385  3.277 0.730     0.094     0.018        4     0.5
cuneus                                   1518    770   3582  3.367 0.752     0.126     0.047       24     2.9
"""
STATS = SubjectStats(aseg=parse_stats(ASEG), aparc={"lh": parse_stats(APARC), "rh": parse_stats(APARC)})


def test_volumes_have_the_names_of_freesurfers_own_tables() -> None:
    """Global measures come first, then structures, then the grey matter of regions, all with units."""
    expected = [
        ("BrainSegVol", 912625.0, "mm^3"),
        ("lhSurfaceHoles", 9.0, ""),
        ("rhSurfaceHoles", 0.0, ""),
        ("Left-Lateral-Ventricle", 7256.6, "mm^3"),
        ("Brain-Stem", 20010.4, "mm^3"),
        ("lh_bankssts_volume", 1385.0, "mm^3"),
        ("lh_cuneus_volume", 3582.0, "mm^3"),
        ("rh_bankssts_volume", 1385.0, "mm^3"),
        ("rh_cuneus_volume", 3582.0, "mm^3"),
    ]
    assert expected == [(found.name, found.value, found.unit) for found in volumes(STATS)]


def test_thickness_has_the_names_of_freesurfers_own_tables() -> None:
    """Each hemisphere's mean comes first, then its regions."""
    expected = [
        ("lh_MeanThickness_thickness", 2.59632, "mm"),
        ("rh_MeanThickness_thickness", 2.59632, "mm"),
        ("lh_bankssts_thickness", 3.277, "mm"),
        ("lh_cuneus_thickness", 3.367, "mm"),
        ("rh_bankssts_thickness", 3.277, "mm"),
        ("rh_cuneus_thickness", 3.367, "mm"),
    ]
    assert expected == [(found.name, found.value, found.unit) for found in thicknesses(STATS)]


def test_the_euler_number_follows_from_the_holes() -> None:
    """A surface without holes has the Euler number 2; each hole takes 2 away."""
    assert {"lh": -16, "rh": 2} == euler_numbers(STATS)


def test_an_old_version_reports_no_euler_number() -> None:
    """FreeSurfer 5.3 does not count holes; nothing is invented."""
    old = "\n".join(line for line in ASEG.splitlines() if "SurfaceHoles" not in line)
    assert {} == euler_numbers(SubjectStats(aseg=parse_stats(old), aparc=STATS.aparc))


def test_a_table_without_mean_thickness_is_no_error() -> None:
    """Some programs of the family leave the mean out; the regions are still there."""
    bare = parse_stats("\n".join(line for line in APARC.splitlines() if "MeanThickness" not in line))
    names = [
        found.name for found in thicknesses(SubjectStats(aseg=STATS.aseg, aparc={"lh": bare, "rh": bare}))
    ]
    assert "lh_bankssts_thickness" == names[0]


def test_a_description_may_have_commas() -> None:
    """Only the ends of a measure's line are fixed."""
    measure = parse_stats(ASEG.replace("Brain Segmentation Volume", "Brain, all of it")).measures[
        "BrainSegVol"
    ]
    assert ("Brain, all of it", 912625.0) == (measure.description, measure.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no table"),
        (ASEG[: ASEG.index("  1   4")], "no table"),
        (ASEG[: ASEG.index("Brain-Stem")], "line 21 has 4 cells instead of 5"),
        (ASEG.replace("912625.000000", "many"), "many"),
    ],
)
def test_a_file_that_is_cut_off_is_no_stats_file(text: str, problem: str) -> None:
    """A table that is not whole is refused and not half read."""
    with pytest.raises(ValueError, match=problem):
        parse_stats(text)

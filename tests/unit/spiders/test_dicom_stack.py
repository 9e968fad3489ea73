"""What planes make up: grids, volumes, gradients, and the reasons why they make up none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cci.spiders.dicom_headers import Place, Plane
from cci.spiders.dicom_stack import component, stack
from cci.spiders.staging import BadInput


def plane(height_mm: float, **changes: object) -> Plane:
    """Return an axial plane of 4 columns and 3 rows, 2 mm between columns and 1 mm between rows."""
    place = Place(
        orientation=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        position_mm=np.array([-3.0, -1.0, height_mm]),
        spacing_mm=np.array([2.0, 1.0]),
    )
    axial = Plane(columns=4, rows=3, place=place, echo_time_ms=30.0, image_type=("ORIGINAL", "PRIMARY", "M"))
    return replace(axial, **changes)  # type: ignore[arg-type]  # a table's values have all types


def test_planes_make_a_grid() -> None:
    """Slices are ordered by height, and the affine leads from columns, rows and slices to RAS+."""
    made = stack([plane(height) for height in (5.0, 0.0, 2.5)])
    expected = np.array([[-2.0, 0, 0, 3.0], [0, -1.0, 0, 1.0], [0, 0, 2.5, 0.0], [0, 0, 0, 1.0]])
    assert ((4, 3, 3), 1) == (made.shape, made.volumes)
    np.testing.assert_allclose(expected, made.affine)


def test_planes_of_one_slice_are_volumes() -> None:
    """As often as each slice is seen, so many volumes there are; scanners' rounding does not matter."""
    heights = [0.0, 2.5, 5.0, 0.0004, 2.4996, 5.0003]
    assert 2 == stack([plane(height) for height in heights]).volumes


@pytest.mark.parametrize(
    ("b_values", "expected"),
    [([None, None], None), ([0.0, 0.0], 0), ([0.0, 1000.0], 1), ([1000.0, 5.0], 2)],
)
def test_weighted_volumes_are_counted(b_values: list[float | None], expected: int | None) -> None:
    """Volumes with b > 0 are counted where headers tell b-values."""
    planes = [plane(height, b_value=b) for b in b_values for height in (0.0, 1.0)]
    assert expected == stack(planes).weighted


def test_gradients_are_turned_to_ras() -> None:
    """Directions are told once each in world axes, none for b = 0."""
    gradient = np.array([0.6, 0.0, 0.8])
    told = [(0.0, gradient), (1000.0, gradient), (1000.0, gradient), (1000.0, None)]
    planes = [plane(height, b_value=b, gradient=g) for b, g in told for height in (0.0, 1.0)]
    np.testing.assert_allclose([[-0.6, 0.0, 0.8]], stack(planes).gradients, atol=1e-6)


@pytest.mark.parametrize(
    ("planes", "code", "words"),
    [
        ([plane(0.0)], "not-a-volume", "one slice"),
        ([plane(0.0), plane(0.0)], "not-a-volume", "one slice"),
        ([plane(0.0), plane(1.0, place=None)], "not-a-volume", "where in the patient"),
        ([plane(0.0), plane(1.0, rows=5)], "not-a-volume", "4×3 and 4×5"),
        ([plane(0.0), plane(1.0), plane(3.0)], "missing-slices", "1.00 and 2.00 mm"),
        ([plane(0.0), plane(1.0), plane(1.0)], "missing-slices", "some 1 and others 2"),
        ([plane(0.0, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))], "localizer", "localizer"),
    ],
)
def test_other_planes_are_refused(planes: list[Plane], code: str, words: str) -> None:
    """Planes that make up no whole volume are refused with a cause that says what was seen."""
    with pytest.raises(BadInput, match=words) as refused:
        stack(planes)
    assert code == refused.value.code


@pytest.mark.parametrize(
    ("image_type", "expected"),
    [
        ((), "magnitude"),
        (("ORIGINAL", "PRIMARY"), "magnitude"),
        (("ORIGINAL", "PRIMARY", "M", "ND", "NORM"), "magnitude"),
        (("ORIGINAL", "PRIMARY", "P", "ND"), "phase"),
        (("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"), "phase"),
        (("ORIGINAL", "PRIMARY", "R", "ND"), "real"),
        (("ORIGINAL", "PRIMARY", "I", "ND"), "imaginary"),
    ],
)
def test_image_types_tell_the_kind(image_type: tuple[str, ...], expected: str) -> None:
    """ImageType tells magnitude, phase, real and imaginary images apart."""
    assert expected == component(image_type)

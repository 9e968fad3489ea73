"""Pictures of volumes: the right side on the right, in true proportions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cci.spiders.mosaic import (
    Layout,
    bounding_box,
    canonical,
    choose_slices,
    draw_mosaic,
    plan,
    robust_limits,
)
from cci.spiders.report import Report

SHAPE = (6, 8, 4)


def marked(
    affine: NDArray[np.floating[Any]], world_mm: tuple[float, float, float]
) -> NDArray[np.floating[Any]]:
    """Return a volume that is 1 in the voxel at a place in the world."""
    volume = np.zeros(SHAPE)
    index = np.rint(np.linalg.inv(affine) @ [*world_mm, 1.0]).astype(int)
    volume[tuple(index[:3])] = 1
    return volume


RAS = np.diag([2.0, 3.0, 4.0, 1.0])
LAS = np.array([[-2.0, 0, 0, 10], [0, 3, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [RAS, LAS])
def test_the_right_of_the_head_is_on_the_right(affine: NDArray[np.floating[Any]]) -> None:
    """Whatever the file's orientation, right is on the right and the front is at the top."""
    volume = marked(affine, (10.0, 21.0, 4.0))
    layout = Layout(plane="axial", slices=[1], box=(slice(None),) * 3, columns=1)

    sheet = layout.tile(canonical(volume, affine).data)

    assert [tuple(int(i) for i in place) for place in np.argwhere(sheet)] == [(0, SHAPE[0] - 1)]


@pytest.mark.parametrize(("plane", "proportion"), [("axial", 3 / 2), ("coronal", 4 / 2), ("sagittal", 4 / 3)])
def test_pictures_have_true_proportions(plane: str, proportion: float) -> None:
    """A voxel is drawn as high for its width as it is in the head."""
    report = Report(title="QA")
    with report.page("one") as page:
        axes = page.axes(page.grid(1, 1)[0])
        draw_mosaic(axes, np.ones(SHAPE), RAS, plane=plane, rows=1, columns=2, unit="a.u.")

    assert proportion == pytest.approx(axes.get_aspect())


def test_a_mosaic_marks_sides_positions_and_scale() -> None:
    """Each picture says which side is which, where its slices lie, and how long 50 mm are."""
    report = Report(title="QA")
    with report.page("one") as page:
        axes = page.axes(page.grid(1, 1)[0])
        draw_mosaic(axes, np.ones(SHAPE), LAS, rows=1, columns=2, outline=np.ones(SHAPE, dtype=bool))

    assert [text.get_text() for text in axes.texts] == ["z +4", "z +8", "L", "R", "50 mm"]


def test_colours_keep_their_channels() -> None:
    """A colour volume is laid out as colours."""
    layout = Layout(plane="axial", slices=[0, 1, 2], box=(slice(None),) * 3, columns=2)

    assert layout.tile(np.zeros((*SHAPE, 3))).shape == (2 * SHAPE[1], 2 * SHAPE[0], 3)


def test_bounding_box_stays_inside() -> None:
    """The box is widened by the margin, never below the first voxel; of nothing it is everything."""
    mask = np.zeros(SHAPE, dtype=bool)
    assert bounding_box(mask) == (slice(None), slice(None), slice(None))
    mask[1, 4, 2] = True
    assert bounding_box(mask, margin=2) == (slice(0, 4), slice(2, 7), slice(0, 5))


@pytest.mark.parametrize(
    ("extent", "size", "count", "expected"),
    [(slice(None), 10, 2, [2, 7]), (slice(4, 6), 10, 8, [4, 5]), (slice(3, 99), 10, 1, [6])],
)
def test_choose_slices(extent: slice, size: int, count: int, expected: list[int]) -> None:
    """Slices are spread evenly; none is shown twice."""
    assert expected == choose_slices(extent, size, count)


@pytest.mark.parametrize(
    ("values", "expected"),
    [(np.zeros(4), (0, 1)), (np.array([np.nan, 0.0]), (0, 1)), (np.arange(101.0), (2.98, 98.02))],
)
def test_robust_limits(values: NDArray[np.floating[Any]], expected: tuple[float, float]) -> None:
    """The ends of a colour map are percentiles of what is there."""
    assert expected == pytest.approx(robust_limits(values))


def test_rows_are_filled_evenly() -> None:
    """Nine slices in a grid that could take seven a row are laid out as five and four."""
    volume = canonical(np.ones((6, 6, 9)), RAS)
    layout = plan(volume, "axial", np.ones((6, 6, 9), dtype=bool), rows=4, columns=7)

    assert (len(layout.slices), layout.columns, layout.rows) == (9, 5, 2)


def test_an_empty_place_in_the_grid_has_no_value() -> None:
    """Where the grid has more places than slices nothing is drawn, in particular not zero."""
    layout = Layout(plane="axial", slices=[0, 1, 2], box=(slice(None),) * 3, columns=2)

    assert int(np.isnan(layout.tile(np.ones(SHAPE))).sum()) == SHAPE[0] * SHAPE[1]

"""Pictures of volumes: slices in a grid, in true proportions, with sides marked and a scale in millimetres.

Left is left (the neurological convention), and every picture says so by its marks. It shows values and
computes none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.image import AxesImage
from matplotlib.transforms import ScaledTranslation
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

#: Index of the axis that a plane cuts, in RAS+ order.
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
#: What lies at the left and right edge of a picture of each plane.
SIDES = {"sagittal": ("P", "A"), "coronal": ("L", "R"), "axial": ("L", "R")}
_AXIS_NAMES = "xyz"


@dataclass(frozen=True, kw_only=True)
class Canonical:
    """A volume whose axes run, as nearly as its grid allows, to the right, to the front and upwards.

    Attributes
    ----------
    data
        (X, Y, Z) values or (X, Y, Z, 3) colours between 0 and 1.
    affine
        (4, 4), voxel to world, mm.
    """

    data: NDArray[Any]
    affine: FloatArray

    @property
    def voxel_mm(self) -> FloatArray:
        """Edge lengths of a voxel (3,), mm."""
        return np.asarray(voxel_sizes(self.affine))

    def position_mm(self, axis: int, index: int) -> float:
        """World coordinate of a slice's centre along its own axis, mm."""
        centre = (np.array(self.data.shape[:3]) - 1) / 2
        centre[axis] = index
        return float(apply_affine(self.affine, centre)[axis])


def canonical(data: NDArray[Any], affine: FloatArray) -> Canonical:
    """Flip and swap axes towards RAS+; nothing is interpolated."""
    turn = io_orientation(affine)
    turned = apply_orientation(data, turn)
    return Canonical(data=turned, affine=affine @ inv_ornt_aff(turn, data.shape[:3]))


def bounding_box(mask: BoolArray, margin: int = 2) -> tuple[slice, slice, slice]:
    """Return the smallest box around *mask* (X, Y, Z), widened by *margin* voxels; all if it is empty."""
    if not mask.any():
        return slice(None), slice(None), slice(None)
    sides = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(max(int(hit[0]) - margin, 0), int(hit[-1]) + margin + 1))
    return sides[0], sides[1], sides[2]


def choose_slices(extent: slice, size: int, count: int) -> list[int]:
    """Return *count* (or fewer) different slices, evenly spread over *extent* without its very ends."""
    first, last, _ = extent.indices(size)
    edge = 0.06 * (last - first)
    edges = np.linspace(first + edge, last - edge, count + 1)
    return sorted({int(middle) for middle in (edges[:-1] + edges[1:]) / 2})


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which slices of a volume are shown, and how they are laid out.

    Attributes
    ----------
    plane
        ``axial``, ``coronal`` or ``sagittal``.
    slices
        Indices along the axis that the plane cuts, in a canonical volume.
    box
        What is shown of the other two axes.
    columns
        Slices in a row.
    """

    plane: str
    slices: Sequence[int]
    box: tuple[slice, slice, slice]
    columns: int

    @property
    def axis(self) -> int:
        """The axis that the plane cuts."""
        return PLANES[self.plane]

    @property
    def rows(self) -> int:
        """Rows of slices."""
        return math.ceil(len(self.slices) / self.columns)

    def tile(self, data: NDArray[Any]) -> NDArray[Any]:
        """Lay slices out, first at the top left; each upright (front or top of the head upwards)."""
        sides = tuple(slice(None) if i == self.axis else side for i, side in enumerate(self.box))
        shown = data[sides]
        pictures = [np.flipud(np.swapaxes(shown.take(i, axis=self.axis), 0, 1)) for i in self.slices]
        height, width, *colours = pictures[0].shape
        # no value, not zero, where there is no slice: zero has a colour of its own
        nothing = np.nan if data.dtype.kind == "f" and not colours else 0
        sheet = np.full((self.rows * height, self.columns * width, *colours), nothing, dtype=data.dtype)
        for index, picture in enumerate(pictures):
            top, left = (index // self.columns) * height, (index % self.columns) * width
            sheet[top : top + height, left : left + width] = picture
        return sheet


def plan(volume: Canonical, plane: str, within: BoolArray, rows: int, columns: int) -> Layout:
    """Choose the slices of a mosaic: evenly spread over the box of *within* (X, Y, Z, canonical)."""
    box = bounding_box(within)
    axis = PLANES[plane]
    slices = choose_slices(box[axis], volume.data.shape[axis], rows * columns)
    full_rows = math.ceil(len(slices) / columns)
    return Layout(plane=plane, slices=slices, box=box, columns=math.ceil(len(slices) / full_rows))


def draw_mosaic(
    axes: Axes,
    data: NDArray[Any],
    affine: FloatArray,
    *,
    plane: str = "axial",
    rows: int = 4,
    columns: int = 6,
    cmap: str | Colormap = "gray",
    limits: tuple[float, float] | None = None,
    outline: BoolArray | None = None,
    outline_color: str = "#E69F00",
    within: BoolArray | None = None,
    only: BoolArray | None = None,
    unit: str = "",
    labels: bool = True,
) -> AxesImage:
    """Draw slices of a volume as one picture in true proportions.

    Parameters
    ----------
    data
        (X, Y, Z) values or (X, Y, Z, 3) colours between 0 and 1, in any orientation.
    affine
        (4, 4), voxel to world, mm.
    plane
        ``axial``, ``coronal`` or ``sagittal``.
    rows, columns
        Slices in the grid; fewer if the box has fewer.
    limits
        Values at the ends of the colour map; the 2nd and 98th percentile of the non-zero ones if left out.
    outline
        (X, Y, Z); its edge is drawn over every slice.
    within
        (X, Y, Z); only its box is shown, all of the volume if left out.
    only
        (X, Y, Z); voxels outside are black. Not for colours.
    unit
        Beside the colour bar; there is none if it is empty.
    labels
        Whether sides, slice positions and the scale are written.

    Returns
    -------
    AxesImage
        The picture.
    """
    volume = canonical(data if only is None else np.where(only, data, np.nan), affine)
    everything = np.ones(data.shape[:3], dtype=bool)
    shown = everything if within is None else canonical(within, affine).data
    layout = plan(volume, plane, shown, rows, columns)
    sheet = layout.tile(volume.data)
    low, high = limits or robust_limits(sheet)
    across, up = np.delete(volume.voxel_mm, layout.axis)
    if unit:
        _make_room(axes)
    picture = axes.imshow(
        sheet, cmap=cmap, vmin=low, vmax=high, aspect=float(up / across), interpolation="nearest"
    )
    axes.set(xticks=[], yticks=[], anchor="NW", facecolor="black")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if outline is not None:
        edge = layout.tile(canonical(outline, affine).data).astype(float)
        axes.contour(edge, levels=[0.5], colors=[outline_color], linewidths=0.5)
    if labels:
        _write_labels(axes, volume, layout, (sheet.shape[0], sheet.shape[1]))
    if unit:
        _colour_bar(axes, picture, unit, extend=_beyond(sheet, low, high))
    return picture


def robust_limits(values: NDArray[Any], low: float = 2, high: float = 98) -> tuple[float, float]:
    """Return two percentiles of the finite, non-zero values; (0, 1) if there are none."""
    finite = values[np.isfinite(values) & (values != 0)]
    if finite.size == 0 or finite.min() == finite.max():
        return 0.0, 1.0
    bottom, top = np.percentile(finite, [low, high])
    return float(bottom), float(top)


def _write_labels(axes: Axes, volume: Canonical, layout: Layout, shape: tuple[int, int]) -> None:
    """Write sides on the first slice, each slice's position, and a scale of 50 mm below."""
    height, width = shape[0] / layout.rows, shape[1] / layout.columns
    shade = [patheffects.withStroke(linewidth=1.2, foreground="black")]
    style: dict[str, Any] = {"color": "white", "size": 6, "va": "center", "path_effects": shade}
    for order, index in enumerate(layout.slices):
        left, bottom = (order % layout.columns) * width, (order // layout.columns + 1) * height
        position = f"{_AXIS_NAMES[layout.axis]} {volume.position_mm(layout.axis, index):+.0f}"
        axes.text(left + 0.03 * width, bottom - 0.07 * height, position, **{**style, "size": 5})
    first, second = SIDES[layout.plane]
    axes.text(0.03 * width, 0.09 * height, first, weight="bold", ha="left", **style)
    axes.text(0.97 * width, 0.09 * height, second, weight="bold", ha="right", **style)
    _draw_scale(axes, shape, 50 / float(np.delete(volume.voxel_mm, layout.axis)[0]))


def _draw_scale(axes: Axes, shape: tuple[int, int], length: float) -> None:
    """Draw a bar of 50 mm, *length* pixels, four points below the picture."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    place = axes.transData + ScaledTranslation(0, -4 / 72, figure.dpi_scale_trans)
    style: dict[str, Any] = {"color": "#667080", "transform": place, "clip_on": False}
    axes.plot([-0.5, length - 0.5], [shape[0] - 0.5] * 2, linewidth=1.5, solid_capstyle="butt", **style)
    axes.text(length * 1.08, shape[0] - 0.5, "50 mm", size=5.5, va="center", **style)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))


def _make_room(axes: Axes) -> None:
    """Give the right edge of *axes* to the colour bar and its numbers."""
    left, bottom, width, height = axes.get_position(original=True).bounds
    axes.set_position((left, bottom, width - 0.075, height))


def _beyond(values: NDArray[Any], low: float, high: float) -> Literal["neither", "both", "min", "max"]:
    """Return at which ends of the colour bar there are values beyond it."""
    finite = values[np.isfinite(values)]
    below, above = bool((finite < low).any()), bool((finite > high).any())
    if below:
        return "both" if above else "min"
    return "max" if above else "neither"


def _colour_bar(
    axes: Axes, picture: AxesImage, unit: str, *, extend: Literal["neither", "both", "min", "max"]
) -> None:
    """Draw a thin colour bar on the right, as high as the picture, pointed where values lie beyond it."""
    place = axes.inset_axes((1.012, 0.0, 0.014, 1.0))
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(picture, cax=place, extend=extend, extendfrac=0.02)
    bar.outline.set_visible(False)
    bar.set_label(unit, size=7)
    bar.ax.grid(visible=False)
    bar.ax.tick_params(labelsize=6, length=2)

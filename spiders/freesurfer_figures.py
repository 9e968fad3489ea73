"""Surfaces drawn over the T1 that they were found in: where planes cut them, in true proportions.

It only draws; left is left (the neurological convention). Surfaces are in FreeSurfer's surface coordinates
("tkregister RAS", https://surfer.nmr.mgh.harvard.edu/fswiki/CoordinateSystems) and are carried into the
volume by its own ``vox2ras-tkr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib import path as outlines
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.patheffects import withStroke
from nibabel.affines import apply_affine
from nibabel.freesurfer import read_geometry
from numpy.typing import NDArray

from cci.spiders.mosaic import PLANES, SIDES, Canonical, canonical, choose_slices, robust_limits
from cci.spiders.staging import BadInput

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]

#: The border of white and grey matter, and the outer border of the cortex. FreeSurfer's own viewers use
#: yellow and red too; these shades are told apart by colour-blind readers.
COLOURS = {"white": "#F0E442", "pial": "#D55E00"}
#: What is shown around the cortex, mm.
_MARGIN_MM = 12.0


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A triangulated surface in the voxel coordinates of a canonical volume.

    Attributes
    ----------
    kind
        ``white`` or ``pial``.
    vertices
        (V, 3), voxels.
    faces
        (F, 3), indices of vertices.
    """

    kind: str
    vertices: FloatArray
    faces: IntArray


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A volume with its surfaces, and the box (first, last voxel by axis) that holds the cortex."""

    volume: Canonical
    surfaces: Sequence[Surface]
    box: tuple[slice, slice, slice]
    limits: tuple[float, float]

    def slices(self, plane: str, count: int) -> list[int]:
        """Return *count* slices that are evenly spread over the cortex."""
        axis = PLANES[plane]
        return choose_slices(self.box[axis], self.volume.data.shape[axis], count)

    def height_per_width(self, plane: str) -> float:
        """Return how high a picture of this plane is if it is 1 wide."""
        across, up = _picture_axes(plane)
        size = [
            (side.stop - side.start) * mm for side, mm in zip(self.box, self.volume.voxel_mm, strict=True)
        ]
        return float(size[up] / size[across])


def _picture_axes(plane: str) -> tuple[int, int]:
    """Return the axes that run across and up a picture of this plane."""
    across, up = (axis for axis in range(3) if axis != PLANES[plane])
    return across, up


def load_scene(root: Path) -> Scene:
    """Load ``mri/T1.mgz`` and the four surfaces of a subject's directory.

    Raises
    ------
    BadInput
        ``corrupt-output`` if one of them cannot be read.
    """
    try:
        image = nib.load(root / "mri" / "T1.mgz")
        volume = canonical(np.asanyarray(image.dataobj), image.affine)
        to_voxel = np.linalg.inv(volume.affine) @ image.affine @ np.linalg.inv(image.header.get_vox2ras_tkr())
        surfaces = [
            _load_surface(root / "surf" / f"{side}.{kind}", kind, to_voxel)
            for kind in COLOURS
            for side in ("lh", "rh")
        ]
    except (OSError, EOFError, ValueError) as error:
        raise BadInput(
            "corrupt-output", f"recon-all left an image or surface that cannot be read: {error}"
        ) from error
    box = _box(surfaces, volume)
    return Scene(volume=volume, surfaces=surfaces, box=box, limits=robust_limits(volume.data[box], 1, 99.8))


def _load_surface(path: Path, kind: str, to_voxel: FloatArray) -> Surface:
    """Read a surface and carry it into voxels."""
    vertices, faces = read_geometry(path)
    return Surface(kind=kind, vertices=apply_affine(to_voxel, vertices), faces=faces)


def _box(surfaces: Sequence[Surface], volume: Canonical) -> tuple[slice, slice, slice]:
    """Return the voxels around the cortex, with a margin."""
    points = np.concatenate([surface.vertices for surface in surfaces])
    margin = _MARGIN_MM / volume.voxel_mm
    low = np.clip(np.floor(points.min(axis=0) - margin), 0, None).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + margin) + 1, None, volume.data.shape[:3]).astype(int)
    first, second, third = (slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))
    return first, second, third


def cut(vertices: FloatArray, faces: IntArray, axis: int, position: float) -> FloatArray:
    """Cut a surface with a plane.

    Parameters
    ----------
    vertices
        (V, 3) coordinates.
    faces
        (F, 3), indices of vertices.
    axis, position
        The plane: where the coordinate *axis* is *position*.

    Returns
    -------
    numpy.ndarray
        (S, 2, 2): the two ends of each line, in the two other coordinates in their order.
    """
    height = vertices[:, axis] - position
    # a vertex on the plane counts as above it, so that each triangle is cut on two edges or on none
    above = height >= 0
    crossed = faces[above[faces].any(axis=1) & ~above[faces].all(axis=1)]
    start, stop = crossed, np.roll(crossed, -1, axis=1)
    split = above[start] != above[stop]
    first, second = start[split], stop[split]
    share = (height[first] / (height[first] - height[second]))[:, np.newaxis]
    points = vertices[first] + share * (vertices[second] - vertices[first])
    lines: FloatArray = np.delete(points, axis, axis=1).reshape(-1, 2, 2)
    return lines


def draw_slice(axes: Axes, scene: Scene, plane: str, index: int, *, line_pt: float = 0.6) -> None:
    """Draw one slice with the surfaces that it cuts; white's line lies over pial's."""
    axis = PLANES[plane]
    across, up = _picture_axes(plane)
    picture = scene.volume.data.take(index, axis=axis).T
    low, high = scene.limits
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="bilinear")
    for surface in reversed(scene.surfaces):
        lines = cut(surface.vertices, surface.faces, axis, index)
        axes.add_patch(_outline(lines, COLOURS[surface.kind], line_pt))
    voxel_mm = scene.volume.voxel_mm
    axes.set(
        aspect=float(voxel_mm[up] / voxel_mm[across]),
        xlim=(scene.box[across].start - 0.5, scene.box[across].stop - 0.5),
        ylim=(scene.box[up].start - 0.5, scene.box[up].stop - 0.5),
        xticks=[],
        yticks=[],
        facecolor="black",
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _outline(lines: FloatArray, colour: str, line_pt: float) -> PathPatch:
    """Return all lines (S, 2, 2) as one path: thousands of separate ones make a slow, large PDF."""
    pen = np.array([outlines.Path.MOVETO, outlines.Path.LINETO], dtype=outlines.Path.code_type)
    path = outlines.Path(lines.reshape(-1, 2), np.tile(pen, len(lines)))
    return PathPatch(path, fill=False, edgecolor=colour, linewidth=line_pt, capstyle="round")


def mark_slice(axes: Axes, scene: Scene, plane: str, index: int, *, size_pt: float = 6) -> None:
    """Write the sides and the slice's position, in scanner coordinates, on a picture."""
    axis = PLANES[plane]
    position = f"{'xyz'[axis]} {round(scene.volume.position_mm(axis, index)):+d} mm"
    style: dict[str, Any] = {
        "color": "white",
        "size": size_pt,
        "transform": axes.transAxes,
        "va": "center",
        # readable on bright tissue too
        "path_effects": [withStroke(linewidth=1.5, foreground="black")],
    }
    first, second = SIDES[plane]
    axes.text(0.03, 0.5, first, weight="bold", ha="left", **style)
    axes.text(0.97, 0.5, second, weight="bold", ha="right", **style)
    axes.text(0.03, 0.05, position, ha="left", **style)

"""STAND-IN for what ``recon-all`` computes: images, surfaces and labels out of an ellipsoid, no anatomy.

See ``stand_in_recon_all``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from nibabel.freesurfer import read_morph_data, write_annot, write_geometry, write_morph_data
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.processing import conform
from numpy.typing import NDArray

from support.stand_in_freesurfer_stats import MIDLINE, REGION_NAMES, STRUCTURES, aparc_stats, aseg_stats

Array = NDArray[Any]

GRID, VOXEL_MM = (128, 128, 128), (2.0, 2.0, 2.0)
THICKNESS_MM = 2.5
SIDES = {"lh": -1, "rh": 1}


def icosphere(levels: int) -> tuple[Array, Array]:
    """Return a unit sphere: vertices (V, 3) and faces (F, 3) of an icosahedron divided *levels* times."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    vertices = np.array([np.roll(corner, turn) for turn in (0, 1, 2) for corner in corners])
    near = np.linalg.norm(vertices[:, None] - vertices[None], axis=2) < 2.1
    triples = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    faces = np.array(triples)
    turned = np.linalg.det(vertices[faces]) < 0
    faces[turned] = faces[turned][:, ::-1]
    for _ in range(levels):
        vertices, faces = divide(vertices, faces)
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), faces


def divide(vertices: Array, faces: Array) -> tuple[Array, Array]:
    """Divide each triangle into four."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, where = np.unique(edges, axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = where.reshape(3, -1) + len(vertices)
    middle = vertices[unique].mean(axis=1)
    middle *= np.linalg.norm(vertices[0]) / np.linalg.norm(middle, axis=1, keepdims=True)
    quarters = np.concatenate(
        [np.stack(corner, axis=1) for corner in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    )
    return np.concatenate([vertices, middle]), quarters


@dataclass(frozen=True)
class Brain:
    """An ellipsoid in surface coordinates (tkregister RAS, mm)."""

    centre: Array
    radii: Array

    @classmethod
    def of_head(cls, head: MGHImage) -> Brain:
        """Take the ellipsoid with the head's second moments, made smaller by skull and scalp."""
        values = np.asanyarray(head.dataobj)
        inside = np.argwhere(values > 0.2 * np.percentile(values, 99))
        points = apply_affine(head.header.get_vox2ras_tkr(), inside)
        return cls(centre=points.mean(axis=0), radii=0.8 * 5**0.5 * points.std(axis=0))

    def surface(self, side: int, *, inwards_mm: float) -> tuple[Array, Array]:
        """Return one hemisphere (side −1 is left): half an ellipsoid with a nearly flat medial wall."""
        sphere, faces = icosphere(5)
        medial_mm = 1 + inwards_mm
        x = np.where(sphere[:, 0] > 0, sphere[:, 0], 0.04 * sphere[:, 0])
        size = self.radii - (inwards_mm + medial_mm, inwards_mm, inwards_mm)
        shape = np.stack([x, sphere[:, 1], sphere[:, 2]], axis=1) * size + (medial_mm, 0, 0)
        return shape * (side, 1, 1) + self.centre, faces if side > 0 else faces[:, ::-1]

    def within(
        self, grid: list[Array], radii: Array | tuple[float, ...], centre: tuple[float, ...] = (0, 0, 0)
    ) -> Array:
        """Return where *grid* is inside an ellipsoid that is given in fractions of the brain."""
        own = (self.centre, self.radii, centre, np.asarray(radii))
        parts = [((at - c) / r - c2) / r2 for at, c, r, c2, r2 in zip(grid, *own, strict=True)]
        return np.asarray(sum(part**2 for part in parts) <= 1)


# -- the subject's directory ----------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """One subject's directory, and what each step writes into it."""

    root: Path

    def save(self, name: str, values: Array) -> None:
        """Write an image on the conformed grid."""
        header = self.orig.header.copy()
        header.set_data_dtype(values.dtype)
        nib.save(MGHImage(values, self.orig.affine, header), self.root / "mri" / f"{name}.mgz")

    def load(self, name: str) -> Array:
        """Read an image that an earlier step wrote."""
        return np.asanyarray(nib.load(self.root / "mri" / f"{name}.mgz").dataobj)

    @cached_property
    def orig(self) -> MGHImage:
        """The conformed image."""
        return nib.load(self.root / "mri" / "orig.mgz")

    @cached_property
    def brain(self) -> Brain:
        """The ellipsoid."""
        return Brain.of_head(self.orig)

    @cached_property
    def grid(self) -> list[Array]:
        """Surface coordinates x, y and z of the voxels; each varies along one axis of the grid only."""
        matrix = self.orig.header.get_vox2ras_tkr()
        coordinates = []
        for row in matrix[:3]:
            axis = int(np.argmax(np.abs(row[:3])))
            shape = [-1 if other == axis else 1 for other in range(3)]
            coordinates.append((row[axis] * np.arange(self.orig.shape[axis]) + row[3]).reshape(shape))
        return coordinates

    def import_volume(self, source: Path) -> None:
        """Keep the input as ``mri/orig/001.mgz``."""
        (self.root / "mri" / "orig").mkdir(parents=True)
        image = nib.load(source)
        values = np.asanyarray(image.dataobj).squeeze().astype(np.float32)
        nib.save(MGHImage(values, image.affine), self.root / "mri" / "orig" / "001.mgz")

    def motion_cor(self) -> None:
        """Conform: the grid and orientation of the real one, twice as coarse."""
        image = nib.load(self.root / "mri" / "orig" / "001.mgz")
        conformed = conform(image, GRID, VOXEL_MM, order=1, orientation="LIA", out_class=MGHImage)
        values = np.asanyarray(conformed.dataobj)
        scaled = np.clip(values * (255 / np.percentile(values, 99.9)), 0, 255).astype(np.uint8)
        nib.save(MGHImage(scaled, conformed.affine), self.root / "mri" / "orig.mgz")

    def normalize(self) -> None:
        """Write what intensity normalization leaves."""
        for name in ("nu", "T1"):
            self.save(name, np.asanyarray(self.orig.dataobj))

    def strip_skull(self) -> None:
        """Keep what lies in the ellipsoid; an edited mask is kept."""
        inside = self.brain.within(self.grid, (1.03, 1.03, 1.03))
        mask = np.where(inside, self.load("T1"), 0).astype(np.uint8)
        self.save("brainmask.auto", mask)
        if not (self.root / "mri" / "brainmask.mgz").exists():
            self.save("brainmask", mask)

    def segment(self) -> None:
        """Write ``aseg.mgz``: cortex, white matter, and small ellipsoids."""
        pial = self.brain.within(self.grid, (1, 1, 1))
        white = self.brain.within(self.grid, 1 - THICKNESS_MM / self.brain.radii)
        left = np.broadcast_to(self.grid[0] < self.brain.centre[0], pial.shape)
        labels = np.zeros(pial.shape, dtype=np.int32)
        labels[pial] = np.where(left, 3, 42)[pial]
        labels[white] = np.where(left, 2, 41)[white]
        for label, centre, radii in structures():
            labels[self.brain.within(self.grid, radii, centre)] = label
        self.save("aseg", labels)

    def mask_brain(self) -> None:
        """Write what is left inside the mask."""
        for name in ("norm", "brain", "brain.finalsurfs"):
            self.save(name, self.load("brainmask"))
        self.save("wm", np.where(np.isin(self.load("aseg"), (2, 41)), 110, 0).astype(np.uint8))

    def tessellate(self, side: str) -> None:
        """Write the surfaces that autorecon2 leaves."""
        (self.root / "surf").mkdir(exist_ok=True)
        for name in ("orig.nofix", "orig", "smoothwm", "inflated"):
            self.write_surface(side, name, THICKNESS_MM)

    def sphere(self, side: str) -> None:
        """Write the spheres."""
        vertices, faces = icosphere(5)
        for name in ("sphere", "sphere.reg"):
            write_geometry(self.root / "surf" / f"{side}.{name}", 100 * vertices, faces)

    def place_surfaces(self, side: str) -> None:
        """Write white and pial surface and what is measured between them; since version 6 pial is a link."""
        white = self.write_surface(side, "white", THICKNESS_MM)
        pial = self.write_surface(side, "pial.T1", 0)
        link = self.root / "surf" / f"{side}.pial"
        link.unlink(missing_ok=True)
        link.symlink_to(f"{side}.pial.T1")
        for name, values in (("thickness", np.linalg.norm(pial - white, axis=1)), ("curv", pial[:, 0] * 0)):
            write_morph_data(self.root / "surf" / f"{side}.{name}", values)

    def write_surface(self, side: str, name: str, inwards_mm: float) -> Array:
        """Write one surface and return its vertices."""
        vertices, faces = self.brain.surface(SIDES[side], inwards_mm=inwards_mm)
        write_geometry(self.root / "surf" / f"{side}.{name}", vertices, faces)
        return vertices

    def parcellate(self, side: str) -> None:
        """Give each vertex the region whose seed is nearest on the sphere."""
        (self.root / "label").mkdir(exist_ok=True)
        colours = np.array([(25 * i % 256, 60 * i % 256, 5 * i + 40, 0) for i in range(len(REGION_NAMES))])
        path = self.root / "label" / f"{side}.aparc.annot"
        write_annot(path, regions_of_vertices(), colours, REGION_NAMES, fill_ctab=True)

    def label_cortex(self) -> None:
        """Write ``aparc+aseg.mgz``; one region stands for all."""
        labels = self.load("aseg")
        self.save(
            "aparc+aseg", np.where(labels == 3, 1028, np.where(labels == 42, 2028, labels)).astype(np.int32)
        )

    def measure_cortex(self, side: str) -> None:
        """Write ``?h.aparc.stats``."""
        (self.root / "stats").mkdir(exist_ok=True)
        vertices, faces = self.brain.surface(SIDES[side], inwards_mm=THICKNESS_MM)
        corners = vertices[faces]
        area = (
            np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        )
        share = np.bincount(faces.ravel(), weights=np.repeat(area / 3, 3), minlength=len(vertices))
        thickness = read_morph_data(self.root / "surf" / f"{side}.thickness")
        text = aparc_stats(self.root.name, side, regions_of_vertices(), share, thickness)
        (self.root / "stats" / f"{side}.aparc.stats").write_text(text, encoding="utf-8")

    def measure_structures(self) -> None:
        """Write ``aseg.stats``."""
        text = aseg_stats(self.root.name, self.load("aseg"), self.load("norm"), float(np.prod(VOXEL_MM)))
        (self.root / "stats" / "aseg.stats").write_text(text, encoding="utf-8")


def structures() -> Iterator[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    """Yield label, centre and radii of every small ellipsoid."""
    for _, left, right, (x, y, z), radii in STRUCTURES:
        yield left, (-x, y, z), radii
        yield right, (x, y, z), radii
    for _, label, centre, radii in MIDLINE:
        yield label, centre, radii


def regions_of_vertices() -> Array:
    """Return the region of each vertex of the sphere; the seeds are a Fibonacci lattice."""
    index = np.arange(len(REGION_NAMES)) + 0.5
    height = 1 - 2 * index / len(REGION_NAMES)
    angle, ring = np.pi * (1 + 5**0.5) * index, np.sqrt(1 - height**2)
    seeds = np.stack([height, ring * np.cos(angle), ring * np.sin(angle)], axis=1)
    return np.asarray(np.argmax(icosphere(5)[0] @ seeds.T, axis=1))

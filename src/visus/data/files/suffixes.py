"""The endings of images and of shapes. Nothing is imported: commands which only look for files answer at once."""

from __future__ import annotations

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"),
    *(".pbm", ".pnm", ".jfif", ".jpe", ".mpo", ".jp2", ".avif", ".qoi", ".heic", ".heif"),
)
"""In lower case, for every verb. Those of HEIC need the package pillow-heif."""

MESH_SUFFIXES = (".off", ".obj", ".ply", ".stl", ".glb", ".gltf")
CLOUD_SUFFIXES = (".xyz", ".pts", ".npy")
SHAPE_SUFFIXES = (*MESH_SUFFIXES, *CLOUD_SUFFIXES)
"""In lower case: meshes and point clouds. All meshes but OFF need the package trimesh."""

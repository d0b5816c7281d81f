"""The endings of the files that are read as images, in lower case."""

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".j2k"}
)
"""Endings of the files that Pillow reads."""

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic"})
"""Endings of DICOM files; many have none."""

ALL_SUFFIXES = SUFFIXES | DICOM_SUFFIXES
"""Endings that count as images when a folder is listed."""


def stem(name: str) -> str:
    """A file name without the ending of an image; an id with dots keeps its dots."""
    base, dot, ending = name.rpartition(".")
    return base if dot and base and f".{ending.lower()}" in ALL_SUFFIXES else name

"""Image files for `bad_inputs.py`: whole, truncated, mutated, foreign and enormous ones."""

import functools
import io
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

HEIGHT, WIDTH = 120, 96
BOMB = 40_000
"""Edge of a decompression bomb, in pixels."""

_WHOLE_BITS = (1 << 12) - 1
_SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "bigendian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
}


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """Two dark lungs on a body that brightens downwards, (120, 96); no two seeds alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    grey = 90 + 90 * y + 40 * x
    for centre in (0.3, 0.7):
        across, down = rng.normal(centre, 0.02), rng.normal(0.45, 0.02)
        grey -= 80 * np.exp(-(((x - across) / 0.13) ** 2) - ((y - down) / 0.25) ** 2)
    # black and white are in it, so that every rule of white gives the same grey
    grey[:2], grey[-2:] = 0, 255
    return np.asarray(np.clip(grey + rng.normal(0, 2, grey.shape), 0, 255), np.uint8)


def encoded(image: Image.Image, **how: Any) -> bytes:
    """The file of an image, as pillow writes it."""
    file = io.BytesIO()
    image.save(file, **how)
    return file.getvalue()


def dicom(pixels: NDArray[Any], syntax: str = "explicit", **elements: Any) -> bytes:
    """A DICOM file of these pixels, 12 of 16 bits or 8."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.UID(
        "1.2.840.10008.5.1.4.1.1.1.1"
    )
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    data.Rows, data.Columns = pixels.shape[-2:]
    data.BitsAllocated = 8 * pixels.itemsize
    data.BitsStored = 12 if pixels.itemsize == 2 else 8
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = data.BitsStored - 1, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW"
    if syntax == "jpeg":
        data.PixelData = encapsulate([encoded(Image.fromarray(pixels), format="JPEG", quality=95)])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    elif syntax in ("rle", "jpeg2000"):
        data.compress(_SYNTAXES[syntax])
    elif syntax == "bigendian":
        data.PixelData = pixels.byteswap().tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    file = io.BytesIO()
    wanted = _SYNTAXES.get(syntax, data.file_meta.TransferSyntaxUID)
    data.file_meta.TransferSyntaxUID = wanted
    pydicom.dcmwrite(
        file, data, enforce_file_format=True, implicit_vr=wanted.is_implicit_VR,
        little_endian=wanted.is_little_endian,
    )  # fmt: skip
    return file.getvalue()


def whole_files() -> dict[str, bytes]:
    """The same picture in every format that is read, by file name."""
    grey = picture()
    image = Image.fromarray(grey)
    deep = (grey.astype(np.uint32) * 65535 // 255).astype(np.uint16)
    twelve = (grey.astype(np.uint32) * _WHOLE_BITS // 255).astype(np.uint16)
    floats = Image.fromarray(grey.astype(np.float32) / np.float32(255))
    return {
        "eight.png": encoded(image, format="PNG"),
        "sixteen.png": encoded(Image.fromarray(deep), format="PNG"),
        "palette.png": encoded(image.convert("P"), format="PNG"),
        "alpha.png": encoded(image.convert("RGBA"), format="PNG"),
        "plain.jpg": encoded(image, format="JPEG", quality=95),
        "progressive.jpg": encoded(
            image.convert("RGB"), format="JPEG", quality=95, progressive=True
        ),
        "cmyk.jpg": encoded(image.convert("CMYK"), format="JPEG", quality=95),
        "eight.tif": encoded(image, format="TIFF"),
        "sixteen.tif": encoded(Image.fromarray(deep), format="TIFF", compression="tiff_deflate"),
        "float.tif": encoded(floats, format="TIFF"),
        "lzw.tif": encoded(image, format="TIFF", compression="tiff_lzw"),
        "grey.bmp": encoded(image, format="BMP"),
        "lossless.webp": encoded(image, format="WEBP", lossless=True),
        "grey.jp2": encoded(image, format="JPEG2000"),
        "eight.dcm": dicom(grey),
        "jpeg.dcm": dicom(grey, "jpeg"),
        **{f"{name}.dcm": dicom(twelve, name) for name in _SYNTAXES},
    }


def truncated(data: bytes) -> Iterator[bytes]:
    """A file that ends too early: after a few bytes, half way, and just before its end."""
    yield data[:20]
    yield data[: len(data) // 2]
    yield data[: len(data) * 49 // 50]


def mutated(data: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """A file with damage: single bytes, a run of noise, a run of zeros, a run that is missing."""
    size = len(data)
    array = np.frombuffer(data, np.uint8).copy()
    array[rng.integers(size, size=16)] = rng.integers(256, size=16)
    yield array.tobytes()
    start, run = int(rng.integers(size)), max(8, size // 50)
    noise = rng.integers(256, size=run, dtype=np.uint8).tobytes()
    yield data[:start] + noise + data[start + run :]
    start = int(rng.integers(min(size, 512)))  # in the head, where the facts are
    yield data[:start] + bytes(8) + data[start + 8 :]
    start = int(rng.integers(size))
    yield data[:start] + data[start + run :]


def turned(orientation: int, *, extra: bytes = b"") -> bytes:
    """A JPEG with this EXIF orientation, whatever that is."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if extra:
        exif[0x9286] = extra
    return encoded(Image.fromarray(picture()), format="JPEG", quality=95, exif=exif)


def foreign_files() -> dict[str, bytes]:
    """Files that are not one whole grey or colour picture, by file name; each must be refused."""
    grey = picture()
    image, twice = Image.fromarray(grey), np.stack([grey, grey])
    not_finite = grey.astype(np.float32)
    not_finite[3, 4] = np.nan
    pages = [Image.fromarray(255 - grey)]
    without_pixels = pydicom.dcmread(io.BytesIO(dicom(grey)))
    del without_pixels.PixelData
    file = io.BytesIO()
    without_pixels.save_as(file, enforce_file_format=True)
    return {
        "empty.png": b"",
        "blank.jpg": b"\n\n",
        "text.png": b"this is a note, no picture\n" * 40,
        "page.jpg": b"<!DOCTYPE html><html><body>Sign in to download</body></html>",
        "report.png": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
        "archive.bmp": b"PK\x03\x04" + bytes(200),
        "pointer.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        "zeros.dcm": bytes(2000),
        "preamble.dcm": bytes(128) + b"DICM",
        "nothing.dcm": file.getvalue(),
        "frames.dcm": dicom(twice, NumberOfFrames=2),
        "rows.dcm": dicom(grey, Rows=5000),
        "bits.dcm": dicom(grey, BitsAllocated=16, BitsStored=16, HighBit=15),
        "no-rows.dcm": dicom(grey, Rows=0),
        "pages.tif": encoded(image, format="TIFF", save_all=True, append_images=pages),
        "animated.webp": encoded(image, format="WEBP", save_all=True, append_images=pages),
        "animated.png": encoded(image, format="PNG", save_all=True, append_images=pages),
        "nan.tif": encoded(Image.fromarray(not_finite), format="TIFF"),
        "random.jpg": np.random.default_rng(1).bytes(5000),
        "bomb.bmp": struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, BOMB, BOMB, 1, 24, 0, 0, 0, 0, 0, 0),
        "bomb.jpg": jpeg_bomb(encoded(image, format="JPEG")),
        "bomb.tif": tiff_bomb(),
        "bomb.dcm": dicom(grey, "jpeg", Rows=BOMB, Columns=BOMB),
        "bomb-rle.dcm": dicom(grey, "rle", Rows=BOMB, Columns=BOMB),
    }


@functools.cache
def png_bomb() -> bytes:
    """A PNG of 40,000 x 40,000 black pixels, all of them there."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + checksum

    packer = zlib.compressobj(9)
    row = bytes(BOMB // 8 + 1)
    body = b"".join(packer.compress(row * 100) for _ in range(BOMB // 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", BOMB, BOMB, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_bomb(data: bytes) -> bytes:
    """A JPEG whose head says 40,000 x 40,000."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", BOMB, BOMB) + data[at + 4 :]


def tiff_bomb() -> bytes:
    """A TIFF whose head says 40,000 x 40,000, of one strip."""
    entries = [
        (256, 4, BOMB), (257, 4, BOMB), (258, 3, 16), (259, 3, 1), (262, 3, 1),
        (273, 4, 200), (277, 3, 1), (278, 4, BOMB), (279, 4, BOMB * BOMB * 2 % 2**32),
    ]  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return (b"II*\x00" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)).ljust(400, b"\x00")


def large_png() -> bytes:
    """Twenty megapixels of 16 bits."""
    y, x = np.mgrid[0:5000, 0:4000]
    return encoded(Image.fromarray((y * 8 + x).astype(np.uint16)), format="PNG", compress_level=1)


def write_socket(path: Path) -> None:
    """A socket in place of an image."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


def place_oddly(path: Path, what: str) -> None:
    """Something of this name that is no ordinary file."""
    makers: dict[str, Callable[[], object]] = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "dangling link": lambda: path.symlink_to("nowhere.png"),
        "link to itself": lambda: path.symlink_to(path.name),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "socket": lambda: write_socket(path),
        "unreadable": path.touch,
    }
    makers[what]()
    if what == "unreadable":
        path.chmod(0)

"""One image file becomes one grey square."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainable.errors import UnreadableImageError
from trainable.images.decoding import decode
from trainable.images.preprocessing import Limits
from trainable.images.survey import survey

SIZE = 40
Grey = NDArray[np.uint8]


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def decode_image(image: Image.Image, file_format: str = "PNG", **options: Any) -> Grey:
    square = decode(encode(image, file_format, **options), SIZE)
    assert square.shape == (SIZE, SIZE)
    assert square.dtype == np.uint8
    return square


def largest_difference(one: Grey, other: Grey) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def resized(grey: Grey, size: int = SIZE) -> Grey:
    square = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square, np.uint8)


@pytest.fixture
def colours(xray: Grey) -> Image.Image:
    return Image.fromarray(np.stack([xray, 255 - xray, xray // 2], axis=2))


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_grey_image_is_stretched_to_a_square(xray: Grey, file_format: str) -> None:
    decoded = decode_image(Image.fromarray(xray), file_format)
    np.testing.assert_array_equal(decoded, resized(xray))


@pytest.mark.parametrize("size", [1, 7, 96, 300])
def test_any_size_can_be_asked_for(xray: Grey, size: int) -> None:
    decoded = decode(encode(Image.fromarray(xray)), size)
    np.testing.assert_array_equal(decoded, resized(xray, size))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("level", [0, 255])
def test_black_stays_black_and_white_white_in_every_mode(mode: str, level: int) -> None:
    image = Image.new("L", (30, 20), level).convert(mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), level * 257, np.uint16))
    assert (decode_image(image) == level).all()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("white", [65535, 4095])
def test_deep_grey_equals_its_8_bit_image(xray: Grey, white: int, file_format: str) -> None:
    xray[0, 0] = 255  # 12 bits are told from 16 by the brightest pixel
    deep = np.round(xray * (white / 255)).astype(np.uint16)
    decoded = decode_image(Image.fromarray(deep), file_format)
    assert largest_difference(decoded, resized(xray)) <= 1


def test_big_endian_deep_grey_equals_its_8_bit_image(xray: Grey) -> None:
    deep = Image.frombytes("I;16B", xray.shape[::-1], (xray.astype(">u2") * 257).tobytes())
    assert largest_difference(decode_image(deep, "TIFF"), resized(xray)) <= 1


def jpeg2000(values: NDArray[np.uint16], bits: int, *, as_file: bool) -> bytes:
    from openjpeg.utils import encode_array

    return bytes(encode_array(values, bits_stored=bits, codec_format=1 if as_file else 0))


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_jpeg2000_equals_its_png(
    xray: Grey, bits: int, orientation: int, as_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow shifts its values up to 16 bits: those of 12 bits would be 16 times too bright."""
    pytest.importorskip("openjpeg")
    # a JPEG 2000 file holds no EXIF that our encoder writes; a turned image forgets its format
    monkeypatch.setattr(Image.Exif, "get", lambda *_: orientation)
    values = (xray * ((2**bits - 1) / 255)).astype(np.uint16)
    data, png = jpeg2000(values, bits, as_file=as_file), encode(Image.fromarray(values))
    assert survey(data)._replace(kind=0) == survey(png)
    for limits in (None, Limits(0, 4095)):
        np.testing.assert_array_equal(decode(data, SIZE, limits), decode(png, SIZE, limits))


def test_jpeg2000_of_8_bits_is_read_as_before_and_deep_colour_is_refused(xray: Grey) -> None:
    pytest.importorskip("openjpeg")
    np.testing.assert_array_equal(
        decode(encode(Image.fromarray(xray), "JPEG2000"), SIZE), resized(xray)
    )
    grey = xray.astype(np.uint16)
    for values, bits in ((np.stack([grey * 16] * 3, axis=2), 12), (grey * 2, 9)):
        with pytest.raises(UnreadableImageError, match=rf"{bits} bits .* save it in grey"):
            decode(jpeg2000(values, bits, as_file=True), SIZE)


def test_a_hot_pixel_does_not_spread(xray: Grey) -> None:
    deep = np.minimum(xray, 100).astype(np.uint16) * 16
    hot = deep.copy()
    hot[50, 50], deep[50, 50] = 65535, 4095
    found, wanted = (
        decode(encode(Image.fromarray(one)), SIZE, Limits(0, 4095)) for one in (hot, deep)
    )
    np.testing.assert_array_equal(found, wanted)


def test_colour_is_reduced_to_luminance(colours: Image.Image) -> None:
    luminance = np.asarray(colours, np.float64) @ [0.299, 0.587, 0.114]
    expected = resized(np.round(luminance).astype(np.uint8))
    assert largest_difference(decode_image(colours), expected) <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_opaque_alpha_changes_nothing(colours: Image.Image, mode: str) -> None:
    image = colours.convert(mode)
    opaque = image.convert("LA" if mode == "L" else "RGBA")
    np.testing.assert_array_equal(decode_image(opaque), decode_image(image))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_lies_over_black(xray: Grey, mode: str) -> None:
    opacity = np.full_like(xray, 255)
    opacity[:60], opacity[60:80] = 0, 128
    image = Image.fromarray(xray).convert(mode)
    image.putalpha(Image.fromarray(opacity))
    over_black = np.round(xray * (opacity / 255)).astype(np.uint8)
    assert largest_difference(decode_image(image), resized(over_black)) <= 1


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_transparent_level_of_an_image_without_alpha_is_black(xray: Grey, mode: str) -> None:
    xray[:50] = 200
    xray[50:] = np.minimum(xray[50:], 199)
    level = (200, 200, 200) if mode == "RGB" else 200
    image = Image.fromarray(xray).convert(mode)
    xray[:50] = 0
    assert largest_difference(decode_image(image, transparency=level), resized(xray)) <= 1


def test_palette_equals_its_colours(colours: Image.Image) -> None:
    palette = colours.quantize(64)
    assert palette.mode == "P"
    np.testing.assert_array_equal(decode_image(palette), decode_image(palette.convert("RGB")))


def test_palette_of_several_opacities_lies_over_black(xray: Grey) -> None:
    palette = Image.fromarray(xray).convert("P")
    opacities = np.linspace(255, 0, 256).astype(np.uint8)
    over_black = np.round(xray * (opacities[xray] / 255)).astype(np.uint8)
    decoded = decode_image(palette, transparency=opacities.tobytes())
    assert largest_difference(decoded, resized(over_black)) <= 1


def test_one_bit_image_equals_its_black_and_white(xray: Grey) -> None:
    black_or_white = np.where(xray > 128, 255, 0).astype(np.uint8)
    image = Image.fromarray(black_or_white).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(decode_image(image), resized(black_or_white))


def test_cmyk_jpeg_equals_its_rgb(colours: Image.Image) -> None:
    decoded = decode_image(colours.convert("CMYK"), "JPEG", quality=95)
    assert largest_difference(decoded, decode_image(colours)) <= 4


STORED_AS: dict[int, Callable[[Grey], Grey]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: np.transpose,
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_exif_orientation_is_undone(xray: Grey, orientation: int, file_format: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](xray)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if file_format == "JPEG" else {}
    decoded = decode_image(stored, file_format, exif=exif, **options)
    assert largest_difference(decoded, resized(xray)) <= 4


@pytest.mark.parametrize(("channels", "colour"), [(2, 4), (3, 2), (4, 6)])
def test_sixteen_bits_in_several_channels_are_refused(channels: int, colour: int) -> None:
    """Pillow reads the upper eight of them: a detector of 12 bits would have 16 greys."""
    row = b"\0" + np.full((SIZE, channels), 4095, ">u2").tobytes()
    size = struct.pack(">IIBBBBB", SIZE, SIZE, 16, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, part in ((b"IHDR", size), (b"IDAT", zlib.compress(row * SIZE)), (b"IEND", b"")):
        data += struct.pack(">I", len(part)) + name + part
        data += struct.pack(">I", zlib.crc32(name + part))
    for read in (survey, lambda whole: decode(whole, SIZE)):
        with pytest.raises(UnreadableImageError, match="save it in grey"):
            read(data)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [40, 150, 300])
def test_large_jpeg_is_close_to_its_full_decode(mode: str, size: int) -> None:
    details = np.random.default_rng(0).integers(0, 256, (200, 200)).astype(np.uint8)
    large = Image.fromarray(details).resize((1500, 1300), Image.Resampling.BICUBIC)
    data = encode(large.convert(mode), "JPEG")
    with Image.open(io.BytesIO(data)) as full:
        expected = resized(np.asarray(full.convert("L")), size)
    # noise is the hardest; without room for the antialiased step it differs by 70 and more
    assert largest_difference(decode(data, size), expected) <= 10


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_file_is_unreadable(xray: Grey, file_format: str, share: float) -> None:
    data = encode(Image.fromarray(xray).convert("RGB"), file_format)
    with pytest.raises(UnreadableImageError):
        decode(data[: int(share * len(data))], SIZE)


@pytest.mark.parametrize("data", [b"", b"\0", b"filename,died\na.png,1\n", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(data, SIZE)


def test_damaged_png_is_unreadable(xray: Grey) -> None:
    data = bytearray(encode(Image.fromarray(xray)))
    data[len(data) // 2] ^= 0x10
    with pytest.raises(UnreadableImageError):
        decode(bytes(data), SIZE)

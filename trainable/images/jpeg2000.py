"""JPEG 2000: how many bits its values have, which Pillow does not say.

Pillow shifts grey values of 9 to 15 bits up to 16 bits, where PNG, TIFF and DICOM keep them as the
detector gave them.
"""

import struct
from typing import NamedTuple

from trainable.errors import UnreadableImageError

_CODESTREAM = b"\xff\x4f\xff\x51"  # the markers SOC and SIZ, which every codestream begins with
_COUNT = 40  # place of the number of components in a codestream (ISO/IEC 15444-1, A.5.1)
_BOX = struct.Struct(">I4s")
_LONG, _TO_THE_END = 1, 0


class Depth(NamedTuple):
    """What the values of a codestream are.

    Attributes:
        bits: Bits of the component that has most, 1 to 38.
        components: Number of components.
    """

    bits: int
    components: int


def depth_of(data: bytes) -> Depth:
    """Look into the SIZ marker of a JPEG 2000 file.

    Args:
        data: A JP2 file, or a bare codestream.

    Raises:
        UnreadableImageError: If there is no codestream.
    """
    start = 0 if data.startswith(_CODESTREAM) else _codestream_box(data)
    if not data.startswith(_CODESTREAM, start) or len(data) < start + _COUNT + 2:
        raise UnreadableImageError("the file is damaged: it has no JPEG 2000 codestream")
    (components,) = struct.unpack_from(">H", data, start + _COUNT)
    # three bytes each: the upper bit of the first is the sign, the others are bits less one
    sizes = data[start + _COUNT + 2 : start + _COUNT + 2 + 3 * components : 3]
    return Depth(max((size & 0x7F) + 1 for size in sizes), components)


def _codestream_box(data: bytes) -> int:
    """Where the content of the box `jp2c` begins; the end of the file if there is none."""
    place = 0
    while place + _BOX.size <= len(data):
        length, kind = _BOX.unpack_from(data, place)
        head = _BOX.size
        if length == _LONG and place + head + 8 <= len(data):
            (length,) = struct.unpack_from(">Q", data, place + head)
            head += 8
        if kind == b"jp2c":
            return place + head
        if length == _TO_THE_END or length < head:
            break
        place += length
    return len(data)

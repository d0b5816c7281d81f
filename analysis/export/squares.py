"""How pillow resizes an image, as operations on tensors that a graph can hold.

Pillow makes each row and then each column, or the reverse, a weighted mean of those below it, of
bytes with whole-numbered weights (`Resample.c`, BILINEAR). The same sums in double precision are
exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainable.images.preprocessing import Resize

_BITS = 22
"""Binary places of pillow's weights for grey bytes."""
_TALL = 2
"""Height must shrink by more than this times what the width does for columns to come first."""


class _Axis(NamedTuple):
    """How one side of an image becomes one side of a square, all float64 scalars.

    Attributes:
        first: Where in the image the part begins that is used.
        edge: Its length.
        start: Where in the square it begins.
        inner: Its length there.
    """

    first: Tensor
    edge: Tensor
    start: Tensor
    inner: Tensor


class PillowSquare(nn.Module):
    """Makes squares of grey values: bytes (batch, size, size) of (batch, height, width)."""

    def __init__(self, size: int, resize: Resize) -> None:
        super().__init__()
        self.size = size
        self.resize = resize

    def forward(self, grey: Tensor) -> Tensor:
        """Resize as `trainable.images.decoding.decode` does.

        Args:
            grey: float32, 0 black to 255 white. An image of whole numbers is taken for bytes, whose
                sums pillow rounds in between; it keeps those of others in single precision.

        Returns:
            uint8 of shape (batch, size, size).
        """
        rows, columns = (_places(length, grey.device) for length in grey.shape[1:])
        height, width = rows[-1] + 1, columns[-1] + 1
        vertical, horizontal = self._axis(height, width), self._axis(width, height)
        values = grey.double()
        is_byte = (values == values.floor()) & (values >= 0) & (values <= 255)
        is_bytes = is_byte.flatten(1).all(dim=1)[:, None, None]
        down = self._weights(rows, vertical, is_bytes)
        across = self._weights(columns, horizontal, is_bytes).mT

        def rounded(means: Tensor) -> Tensor:
            as_bytes = (means + 0.5).floor().clamp(0, 255)
            return torch.where(is_bytes, as_bytes, means.float().double())

        shrunk = height - vertical.inner
        is_tall = (shrunk > 0) & (shrunk > _TALL * (width - horizontal.inner))
        squares = torch.where(
            is_tall,
            rounded(rounded(down @ values) @ across),
            rounded(down @ rounded(values @ across)),
        )
        return squares.clamp(0, 255).round().to(torch.uint8)

    def _axis(self, length: Tensor, other: Tensor) -> _Axis:
        nothing, size = torch.zeros_like(length), torch.full_like(length, self.size)
        if self.resize == "pad":
            scale = self.size / torch.maximum(length, other)
            inner = (length * scale).round().clamp(min=1)
            return _Axis(nothing, length, ((size - inner) / 2).floor(), inner)
        if self.resize == "crop":
            edge = torch.minimum(length, other)
            return _Axis((length - edge) / 2, edge, nothing, size)
        return _Axis(nothing, length, nothing, size)

    def _weights(self, places: Tensor, axis: _Axis, is_bytes: Tensor) -> Tensor:
        """Weights (batch, size, length) of the places of one side for those of the square."""
        scale = axis.edge / axis.inner
        own = _places(self.size, places.device) - axis.start
        centres = axis.first + (own + 0.5) * scale
        away = (places[None, :] - centres[:, None] + 0.5) / scale.clamp(min=1)
        triangle = (1 - away.abs()).clamp(min=0)
        shares = triangle / triangle.sum(dim=1, keepdim=True).clamp(min=torch.finfo().tiny)
        is_inside = (own >= 0) & (own < axis.inner)
        of_bytes = (shares * 2**_BITS + 0.5).floor() / 2**_BITS
        return torch.where(is_bytes, of_bytes, shares) * is_inside[:, None]


def _places(length: int, device: torch.device) -> Tensor:
    return torch.arange(length, dtype=torch.float64, device=device)

"""Light augmentation: each image is turned, shifted and changed in contrast anew in every step."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_MOST_RADIANS = math.radians(10)
_MOST_SHIFT = 0.05  # of the edge
_MOST_CONTRAST = 0.2


class LightAugmentation(nn.Module):
    """Changes images while a network is trained, and hands them on as they are otherwise.

    Nothing is mirrored: a chest that is mirrored has its heart on the wrong side. torchvision's
    transforms draw once for a whole batch; here each image has a draw of its own.

    Maps normalized images (batch, channels, height, width) to the same shape.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Turn by up to 10 degrees, shift by up to 5 %, change the contrast by up to 20 %."""
        if not self.training:
            return images
        draws = torch.rand(4, len(images), device=images.device, dtype=images.dtype) * 2 - 1
        angles = _MOST_RADIANS * draws[0]
        across, down = 2 * _MOST_SHIFT * draws[1:3]  # the edge has a length of 2 in the grid
        cos, sin = angles.cos(), angles.sin()
        rows = (torch.stack([cos, -sin, across], dim=1), torch.stack([sin, cos, down], dim=1))
        grid = functional.affine_grid(
            torch.stack(rows, dim=1), list(images.shape), align_corners=False
        )
        moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
        means = moved.mean(dim=(2, 3), keepdim=True)
        factors = (1 + _MOST_CONTRAST * draws[3])[:, None, None, None]
        changed: Tensor = means + factors * (moved - means)
        return changed.contiguous(memory_format=torch.channels_last)

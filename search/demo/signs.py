"""Signs of further findings on a phantom, each from absent to plain to see."""

from dataclasses import dataclass

import numpy as np

from search.demo.shapes import Plane, edge, ellipse


@dataclass(frozen=True)
class Signs:
    """How much of each sign a phantom shows, from 0 (absent) to 1.

    Attributes:
        heart: Width of the heart beyond a healthy one.
        effusion: Fluid that stands at the base of one lung.
        nodule: Density of a spot of a thirtieth of the picture's width, in one lung.
    """

    heart: float = 0.0
    effusion: float = 0.0
    nodule: float = 0.0

    def widened(self, centre: Plane, breath: float, x: Plane, y: Plane) -> Plane:
        """The mediastinum (1 inside) with the heart as wide as it is."""
        if not self.heart:
            return centre
        heart = ellipse(x, y, (0.14, 0.32 + breath), (0.2 + 0.3 * self.heart, 0.25))
        return np.maximum(centre, edge(heart / 0.2))

    def fluid(self, anatomy_seed: int, height: Plane, x: Plane) -> Plane | float:
        """Share of the lung's air that fluid has taken; it stands higher at the outer side."""
        if not self.effusion:
            return 0.0
        side = np.random.default_rng([anatomy_seed, 1]).choice([-1.0, 1.0])
        surface = 1.0 - 0.45 * self.effusion - 0.5 * self.effusion * (side * x - 0.4)
        return edge((height - surface) / 0.08, side * x / 0.05)

    def spot(self, anatomy_seed: int, x: Plane, y: Plane) -> Plane | float:
        """Density of the nodule, which stays at its place in each patient."""
        if not self.nodule:
            return 0.0
        rng = np.random.default_rng([anatomy_seed, 2])
        place = rng.uniform(0.28, 0.5) * rng.choice([-1.0, 1.0]), rng.uniform(-0.45, 0.15)
        radius = rng.uniform(0.06, 0.08)
        return 0.3 * self.nodule * edge(ellipse(x, y, place, (radius, radius)), width=0.8)


NO_SIGNS = Signs()

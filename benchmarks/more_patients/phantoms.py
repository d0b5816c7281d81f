"""Phantoms of hospitals that differ in a known way."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import special

from search.demo.phantoms import films_of, sample_patients


@dataclass(frozen=True)
class Hospital:
    """What films of a hospital look like, and how ill its patients are.

    Attributes:
        name: Name of the hospital.
        contrast: Factor on the grey levels' distance from the middle of black and white.
        brightness: Grey levels that are added, of 255.
        noise: Standard deviation of the noise that is added, in grey levels.
        strength: Factor on the severity that a film shows; the risk follows from the whole.
        log_odds: What is added to the log odds of each patient's risk.
    """

    name: str
    contrast: float = 1.0
    brightness: float = 0.0
    noise: float = 0.0
    strength: float = 1.0
    log_odds: float = 0.0

    def draw(self, home: Path, folder: str, count: int, size: int, seed: int) -> pd.DataFrame:
        """Draw all films of some patients into a folder.

        Args:
            home: Folder of all films.
            folder: Folder in it, which no other patients have.
            count: Number of patients, of 1.6 films each.
            size: Pixels a side.
            seed: Seed of the patients; more of them only add rows.

        Returns:
            A row per film: `image`, below `home`; `died`, drawn by `risk` for each `patient`; and
            `site`, the name of the hospital.
        """
        rows = sample_patients(count, seed)
        risks = special.expit(special.logit(rows["probability"]) + self.log_odds)
        number = pd.factorize(rows["patient"])[0]
        drawn = np.random.default_rng([seed, 1]).random(count)[number]
        shown = rows.assign(severity=rows["severity"] * self.strength)
        (home / folder).mkdir(parents=True)
        noise = np.random.default_rng([seed, 2])
        for name, film in zip(rows["image"], films_of(shown), strict=True):
            Image.fromarray(self._taken(film.draw(size), noise)).save(home / folder / name)
        names = {one: f"{folder}/" + rows[one] for one in ("image", "patient")}
        return pd.DataFrame(
            {**names, "died": (drawn < risks).astype(int), "risk": risks, "site": self.name}
        )

    def _taken(self, film: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        grey = 127.5 + self.contrast * (film - 127.5) + self.brightness
        if self.noise:
            grey += rng.normal(0, self.noise, film.shape)
        return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


USUAL = Hospital("usual")
HOSPITALS = (
    USUAL,
    Hospital("dark", contrast=0.7, brightness=-30.0, noise=10.0),
    Hospital("faint", strength=0.7, log_odds=1.5),
)
"""Of the second the films look otherwise; the third has more deaths from fainter signs."""

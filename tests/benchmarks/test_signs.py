"""Phantoms of `benchmarks.signs` differ by their spot alone, and a pool that sees it says so."""

import numpy as np
import pytest

from benchmarks.signs.__main__ import Spot, auc_of, phantoms
from search.demo.films import draw_phantom


@pytest.mark.parametrize("width", [0.02, 0.08])
def test_a_spot_is_as_wide_as_it_is_said(width: float) -> None:
    size = 224
    with_spot, without = (draw_phantom(0.0, 3, 4, size, Spot(width=w)) for w in (width, 0.0))
    # the exposure moves with the mean grey, so only what is changed much is the spot
    changed = np.abs(with_spot.astype(int) - without) > 8
    across = np.flatnonzero(changed.any(axis=0))
    assert across[-1] - across[0] == pytest.approx(width * size, abs=0.3 * width * size + 2)


def test_every_other_phantom_has_one() -> None:
    films, plain = phantoms(0.08, 4, 64), phantoms(0.0, 4, 64)
    assert films.shape == (4, 64, 64)
    assert len({film.tobytes() for film in (*films, *plain)}) == 8


def test_the_auc_is_of_rows_that_were_not_fitted() -> None:
    rng, labels = np.random.default_rng(0), np.arange(200) % 2
    noise = rng.normal(size=(200, 20))
    assert 0.3 < auc_of(noise, labels) < 0.7
    noise[:, 0] += 9 * labels
    assert auc_of(noise, labels) > 0.99

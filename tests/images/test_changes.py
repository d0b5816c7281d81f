"""Small changes of images: what they do, and that their names in the store differ."""

import numpy as np
import pytest
from fixtures.networks import STATISTICS

from trainable.images.changes import CHANGES, changed
from trainable.images.loading import Images
from trainable.store.table_name import TableName

EDGE = 40
IMAGE = np.full((EDGE, EDGE), 100, np.uint8)
IMAGE[14:26, 10:18] = 180


def after(change: str) -> np.ndarray:
    return CHANGES[change](IMAGE).astype(float)


def test_each_change_does_what_it_is_called() -> None:
    assert after("brighter by 10 %").mean() == pytest.approx(1.1 * IMAGE.mean(), abs=0.5)
    assert after("darker by 10 %").mean() == pytest.approx(0.9 * IMAGE.mean(), abs=0.5)
    assert np.ptp(after("contrast up by 10 %")) == pytest.approx(1.1 * np.ptp(IMAGE), abs=1)
    assert np.ptp(after("contrast down by 10 %")) == pytest.approx(0.9 * np.ptp(IMAGE), abs=1)
    larger = (after("cropped by 5 %") > 140).sum() / (IMAGE > 140).sum()
    assert larger == pytest.approx(1 / 0.9**2, rel=0.15)
    left, right = after("turned left by 5°"), after("turned right by 5°")
    mirrored = CHANGES["turned left by 5°"](np.ascontiguousarray(IMAGE[:, ::-1]))[:, ::-1]
    np.testing.assert_array_equal(right, mirrored)
    assert (left != right).any()
    assert left[0, 0] == 0, "new corners are black"


def test_changed_images_have_names_of_their_own() -> None:
    images = Images(IMAGE[None], STATISTICS, TableName("pixels-40", ("a",)))
    found = [changed(images, change) for change in CHANGES]
    assert len({one.name.what for one in found} | {images.name.what}) == len(CHANGES) + 1
    for one in found:
        assert one.name.rows == ("a",)
        assert one.pixels.shape == (1, EDGE, EDGE)
        assert one.pixels.dtype == np.uint8
        assert (np.asarray(one.pixels) != IMAGE).any()

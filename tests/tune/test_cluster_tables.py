"""Features on a cluster whose nodes share no disk: computed on one node, fetched by the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from fixtures.networks import random_pixels, tiny_config
from fixtures.nodes import head_alone
from fixtures.tasks import write_task
from fixtures.warm import Warm

from search.tune.cluster import cluster
from trainable.config import TrialConfig
from trainable.images.preprocessing import Square
from trainable.trial.cross_validation import FoldRecord
from trainable.trial.ray_worker import Shipment, ship
from trainable.trial.task import Task

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("no_ray")]


@pytest.fixture
def homes(warm: Warm, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Homes of two nodes, `a` and `b`, by the resource that each of them alone has."""
    homes = {name: tmp_path / name for name in ("a", "b")}
    with warm.python():
        nodes = head_alone()
        for name, home in homes.items():
            home.mkdir()
            nodes.add_node(num_cpus=1, resources={name: 1}, env_vars={"HOME": str(home)})
    with cluster(nodes.address) as wait:
        wait()
        yield homes
    nodes.shutdown()


def run_there(node: str, config: TrialConfig, task: Task, shipment: Shipment) -> FoldRecord:
    """The last record of a trial on one node."""

    @ray.remote(num_cpus=1, resources={node: 1})
    def trial(*args: Any) -> FoldRecord:
        import torch

        from trainable.trial.cross_validation import cross_validate
        from trainable.trial.ray_worker import ClusterStore, node_store, unpack

        config, task, shipment = args
        store = node_store(task.cache, task.cache_bytes, shipment.tables)
        assert isinstance(store, ClusterStore)
        task = unpack(shipment, task, config, store)
        *_, last = cross_validate(config, task, torch.device("cpu"), store)
        return last

    last: FoldRecord = ray.get(trial.remote(config, task, shipment))
    return last


def test_a_node_fetches_the_features_that_another_one_has(
    homes: dict[str, Path], tmp_path: Path
) -> None:
    pixels = random_pixels(40)
    written = write_task(tmp_path, pixels, np.arange(40) % 2)
    task = Task(**{**vars(written), "cache": Path("~/cache")})
    shipment = ship(task, {Square(pixels.shape[1]): pixels})
    config = tiny_config()
    first = run_there("a", config, task, shipment)
    second = run_there("b", config, task, shipment)
    assert (first.num_forwarded, second.num_forwarded) == (40, 0)
    np.testing.assert_array_equal(first.scores, second.scores)
    [one], [two] = [list((home / "cache").glob("features-*.npy")) for home in homes.values()]
    assert one.read_bytes() == two.read_bytes()

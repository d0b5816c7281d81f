"""How many trials a node holds, by what each of them is given."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from search.options.options import SearchOptions
from search.tune.capacity import Resources

NODE = {"CPU": 16.0, "GPU": 4.0, "memory": 32.0 * 2**30}


@pytest.mark.parametrize(
    ("resources", "trials"),
    [
        (Resources(1, 0), 16),
        (Resources(1, 0.25), 16),
        (Resources(1, 0.1), 16),
        (Resources(8, 0.25), 2),
        (Resources(1, 1), 4),
        (Resources(1, 2), 2),
        (Resources(1, 3), 1),
        (Resources(1, 8), 0),
        (Resources(1, 0, 5 * 2**30), 6),
        (Resources(1, 0, 33 * 2**30), 0),
    ],
)
def test_a_node_holds_as_many_trials_as_its_cpus_and_gpus_allow(
    resources: Resources, trials: int
) -> None:
    assert resources.fit_on(NODE) == trials


def test_ray_is_asked_for_memory_where_a_trial_needs_some() -> None:
    assert Resources(1, 0).as_asked() == {"cpu": 1, "gpu": 0}
    assert Resources(1, 0, 2**30).as_asked() == {"cpu": 1, "gpu": 0, "memory": 2**30}


def test_several_gpus_are_a_whole_number() -> None:
    assert SearchOptions.of(data=Path("x.csv"), gpus_per_trial=2).compute.gpus_per_trial == 2
    with pytest.raises(ValidationError, match="must be a whole number above 1"):
        SearchOptions.of(data=Path("x.csv"), gpus_per_trial=1.5)

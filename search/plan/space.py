"""What a search tries: its space, the weights of all encoders in it, and what to try first."""

import itertools
from collections.abc import Sequence

import torch

from search.options.options import SearchOptions
from search.space.files import read_space
from search.space.presets import preset_grid
from search.space.protocol import SearchSpace
from trainable.backbones.encoder import Encoder
from trainable.backbones.weights import Weights, find_weights
from trainable.errors import Checks, InputError, num_of
from trainable.features.passes import FrozenPass
from trainable.trial.stored import num_to_run
from trainable.trial.task import Task


def load_space(options: SearchOptions) -> SearchSpace:
    """The space that the options ask for.

    Raises:
        InputError: Naming everything in it that is impossible.
    """
    if options.space.preset is None:
        return read_space(options)
    return preset_grid(options.space.preset, options)


def load_weights(space: SearchSpace | None, options: SearchOptions) -> Weights | None:
    """The weights of all that the space names; of a space that was refused, None.

    Raises:
        InputError: Naming all that has no weights, also where the space was refused, and every
            network that does not take in images of a size of the space.
    """
    wanted = options.space.weights
    if space is None:
        named = [name for name in options.space.backbones if _is_known(name)]
        if named:
            find_weights(wanted, named)
        return None
    space.experiments.check(options.run.trials)
    weights = find_weights(wanted, space.backbones, space.whole_bodies)
    restricted = space.restricted_to(weights.names, has_gpu=False)
    _require_sizes(weights.encoders, sorted(set(restricted.values("image_size"))))
    return weights


def _is_known(encoder: str) -> bool:
    try:
        _ = Encoder.read(encoder).network
    except ValueError:
        return False
    return True


def _require_sizes(encoders: Sequence[Encoder], sizes: Sequence[int]) -> None:
    """Refuse images that a network does not take in.

    Raises:
        InputError: Naming every encoder and size.
    """
    checks = Checks()
    for encoder, size in itertools.product(encoders, sizes):
        backbone = encoder.network
        if not backbone.takes_in(size):
            checks.add(
                f"{encoder.short} does not take in images of {size} px; use --image-size "
                f"{backbone.size}, the size of its own images, or leave it out of --backbones"
            )
    checks.raise_if_any()


def missing_passes(space: SearchSpace, task: Task) -> dict[FrozenPass, int]:
    """The passes that a restricted space can need, and how many images each has to run, if any."""
    materials = task.materials(torch.device("cpu"))
    counts = {one: num_to_run(one, materials) for one in space.passes}
    return {one: count for one, count in counts.items() if count}


def require_few_passes(num_passes: int, options: SearchOptions, space: SearchSpace) -> None:
    """Refuse a space that can need more passes than the user allows.

    Raises:
        InputError: Naming what makes the space large.
    """
    most = options.run.max_passes
    if most is None or num_passes <= most:
        return
    sizes, names = set(space.values("image_size")), set(space.values("normalization"))
    raise InputError(
        f"the space must need at most {num_of(most, 'pass', 'passes')} of all images through "
        "frozen networks, as "
        f"--max-passes says (got {num_passes}); list fewer --backbones "
        f"({len(set(space.values('backbone')))} now), --normalizations ({len(names)}) or image "
        f"sizes ({len(sizes)}), or run fewer --trials"
    )

"""The space that a search asks for, and the weights of all encoders in it."""

import itertools
from collections.abc import Callable, Sequence

from search.options.options import SearchOptions
from search.space.files import read_space
from search.space.presets import preset_grid
from search.space.protocol import SearchSpace
from trainable.backbones.encoders import short_name
from trainable.backbones.find import find_backbone
from trainable.backbones.weights import Weights, find_weights
from trainable.errors import InputError, Problems


def asked_space(options: SearchOptions) -> SearchSpace:
    """The space that the options ask for.

    Raises:
        InputError: Naming everything in it that is impossible.
    """
    if options.space.preset is None:
        return read_space(options)
    return preset_grid(options.space.preset, options)


def with_weights(
    read_space: Callable[[], SearchSpace], options: SearchOptions
) -> tuple[SearchSpace, Weights]:
    """The space, and the weights of all that it names.

    Raises:
        InputError: Naming every problem of either.
    """
    problems = Problems()
    space = problems.attempt(read_space)
    if space is None:
        named = [name for name in options.space.backbones if _is_known(name)]
        problems.attempt(lambda: find_weights(options.space.weights, named) if named else None)
        raise InputError(*problems.found)
    space.experiments.check(options.run.trials)
    weights = find_weights(options.space.weights, space.backbones, space.whole_bodies)
    restricted = space.restricted_to(weights.backbones, has_gpu=False)
    _require_sizes(weights.backbones, sorted(set(restricted.values("image_size"))))
    return space, weights


def _is_known(encoder: str) -> bool:
    try:
        find_backbone(encoder)
    except ValueError:
        return False
    return True


def _require_sizes(encoders: Sequence[str], sizes: Sequence[int]) -> None:
    """Refuse images that a network does not take in.

    Raises:
        InputError: Naming every encoder and size.
    """
    problems = Problems()
    for encoder, size in itertools.product(encoders, sizes):
        backbone = find_backbone(encoder)
        if not backbone.takes_in(size):
            problems.add(
                f"{short_name(encoder)} does not take in images of {size} px; use --image-size "
                f"{backbone.size}, the size of its own images, or leave it out of --backbones"
            )
    problems.raise_if_any()

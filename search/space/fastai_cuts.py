"""Fastai's `cut`, a slice of a torchvision network's children, as one of our cut points."""

import re
from collections.abc import Sequence

from torch import nn

from trainable.backbones.backbone import Backbone
from trainable.errors import listing


def fastai_cut(backbone: Backbone, cut: int | None) -> str:
    """The cut point whose body is what fastai's `create_body(model, cut=cut)` keeps.

    Fastai keeps `list(model.children())[:cut]`, so that different numbers may name one network:
    SqueezeNet has two children, and -1, 1 and None are its `features`, 2 and 20 its `classifier`.

    Args:
        backbone: whose children are cut.
        cut: fastai's; None keeps the children before the last that holds a pooling layer.

    Raises:
        ValueError: if that body is none, cannot be run, or ends at no cut point of the backbone.
    """
    model = backbone.build()
    children = dict(model.named_children())
    end = _before_last_pool(model) if cut is None else cut
    kept = list(children)[:end]
    said = f"fastai's cut {cut} of {backbone.name}"
    if not kept:
        raise ValueError(f"{said} keeps none of its children, {listing(children)}")
    layers = _layers([children[name] for name in kept])
    for ours in backbone.all_cuts:
        if _layers(backbone.body(model, ours)) == layers:
            return ours
    last, kinds = kept[-1], {type(module) for module in children[kept[-1]].modules()}
    if nn.Linear in kinds and nn.Flatten not in kinds:
        why = (
            f"keeps {last}, which takes flat features: torchvision flattens the maps in its "
            "forward, which a slice of children leaves out, so that such a body cannot be run"
        )
    elif last in backbone.cuts:
        why = f"keeps {last} without the ReLU that torchvision applies behind it, and we with it"
    else:
        why = f"ends after {last}, which is no cut point; cut points: {listing(backbone.cuts)}"
    raise ValueError(f"{said} {why}")


def _before_last_pool(model: nn.Module) -> int:
    """How many children come before the last that holds a pooling layer, by fastai's rule."""
    children = list(model.children())
    return max(
        number
        for number, child in enumerate(children)
        if any(re.search(r"Pool[123]d$", type(module).__name__) for module in child.modules())
    )


def _layers(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """The layers in them, in order; without dropout, which does nothing in a frozen body."""
    layers = [layer for module in modules for layer in module.modules()]
    return [one for one in layers if not any(one.children()) and not isinstance(one, nn.Dropout)]

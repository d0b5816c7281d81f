"""The statistics that batch norm scores with: those of the training rows, not running averages.

After n steps a running average of momentum 0.1 still holds 0.9^n of its start (mean 0, variance 1).
After few steps a network is then scored with statistics that are not its own. Features of small
variance suffer most. So the statistics are computed once more when training has ended: precise
batch norm (Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm").
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainable.images.batches import Batches
from trainable.model.network import Network


@torch.no_grad()
def set_exact_statistics(network: Network, inputs: Batches, batches: Sequence[Tensor]) -> None:
    """Give each batch norm behind the frozen part the statistics of the training rows.

    One pass serves all norms of the trained stages. Each norm hands on what it makes with the
    statistics of the batch, and keeps the mean over the batches. So the batches must be random.
    The norms of the head then see all rows at once, one norm after the other, which is exact.
    Dropout and stochastic depth are off, as in scoring.

    Each rank of a split network passes all rows, so that all ranks find the same statistics.

    Args:
        network: on its device; left in evaluation mode.
        inputs: gives what the trained part takes in, for rows of the trial.
        batches: numbers of all training rows, int64, at least 2 per batch.
    """
    network.eval()

    if norms := _norms(network.trained):
        with _averaging(norms):
            for number, batch in enumerate(batches, start=1):
                for norm in norms:  # None would read a counter on the device, and wait for it
                    norm.momentum = 1 / number
                network.pooled(inputs(batch))
    if norms := _norms(network.head):
        hooks = [norm.register_forward_pre_hook(_take_statistics) for norm in norms]
        network.head(torch.cat([network.pooled(inputs(batch)) for batch in batches]))
        for hook in hooks:
            hook.remove()


def _norms(module: nn.Module) -> list[_BatchNorm]:
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]


@contextmanager
def _averaging(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Within it the norms forget their statistics and take in those of each batch."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    yield
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum


def _take_statistics(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Before its forward pass: the statistics of all rows, (num_rows, width), are the norm's."""
    var, mean = torch.var_mean(inputs[0].cpu().double(), dim=0)  # of all rows: not on a GPU
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)

"""A network whose trained stages are computed on several devices, a share of each batch on each.

The devices' processes (ranks) bring the pooled features together, and each computes head and loss
on the whole batch, with the same seed. So the loss, its class weights, and batch norm and dropout
of the head are those of one device, and so are all gradients, but for the order of sums. What
differs is in the trained stages: stochastic depth draws alike for each share, and batch norm sees
the whole batch on GPUs only (`SyncBatchNorm`); on CPUs, which are for tests, a share.
"""

import torch
from torch import Tensor, distributed
from torch.nn import Module, Sequential, SyncBatchNorm
from torch.nn.parallel import DistributedDataParallel

from trainable.images.batches import Batches
from trainable.model.network import Network


def split_over_ranks(network: Network, device: torch.device) -> Network:
    """The network itself; where PyTorch's process group is up, a `SplitNetwork` of it."""
    if distributed.is_available() and distributed.is_initialized():
        return SplitNetwork(network, device)
    return network


class SplitNetwork(Network):
    """One rank's part of a network that goes on from what the frozen stages computed.

    `DistributedDataParallel` takes the mean of the ranks' gradients, and hands on what batch norm
    has learnt on rank 0.
    """

    def __init__(self, whole: Network, device: torch.device) -> None:
        """Take the parts of `whole`, which is the same on every rank."""
        super().__init__([], [], whole.head, outputs=whole.outputs, pool=whole.pool)
        trained = whole.trained
        if device.type != "cpu":
            trained = SyncBatchNorm.convert_sync_batchnorm(trained)
        self.augment = whole.augment
        self.trained = Sequential(DistributedDataParallel(trained))
        # its gradients are the same on all ranks but for the order of a GPU's sums
        self.head = Sequential(DistributedDataParallel(whole.head))

    @property
    def trained_stages(self) -> list[Module]:
        """The trained stages, in order of execution."""
        [split] = self.trained
        assert isinstance(split, DistributedDataParallel)
        return list(split.module.children())

    def logits(self, inputs: Batches, rows: Tensor) -> Tensor:
        """Logits (len(rows), num_logits) of all rows, of which this rank computes a share."""
        rank, size = distributed.get_rank(), distributed.get_world_size()
        # shares of one size, so that all ranks draw equally often and the head's dropout is the
        # same on all; what fills up the last ones is cut off again
        share = -(-len(rows) // size)
        mine = rows.repeat(size)[: share * size].split(share)[rank]
        pooled = _gather(self.pooled(inputs(mine)))[: len(rows)]
        logits: Tensor = self.head(pooled)
        return logits


def _gather(share: Tensor) -> Tensor:
    """The shares of all ranks in their order; a gradient goes back to this rank's own alone."""
    size = distributed.get_world_size()
    shares = [torch.empty_like(share) for _ in range(size)]
    distributed.all_gather(shares, share.detach().contiguous())
    if share.requires_grad:
        # the gradient of the batch is the sum of the shares', and their mean is taken
        share.register_hook(lambda gradient: gradient * size)
    shares[distributed.get_rank()] = share
    return torch.cat(shares)

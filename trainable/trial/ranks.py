"""One trial on several GPUs of a node: a process for each, of which any may be lost."""

import contextlib
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from torch.multiprocessing.spawn import ProcessContext, ProcessException, ProcessExitedException

from trainable.config import TrialConfig
from trainable.device import use_threads
from trainable.errors import MachineError
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import FoldRecord, Task, cross_validate

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 2.0
_OF_THE_MACHINE = ("DiskError: ", "MemoryError")


class RankError(RuntimeError):
    """A process of a trial on several devices has failed or was killed; the others were ended."""


class LostRankError(RankError, MachineError):
    """A process of a trial on several devices was killed, or its machine failed."""


@dataclass(frozen=True)
class RankJob:
    """What every process of a trial on several devices is told.

    Attributes:
        num_ranks: Number of processes, each with a device of its own.
        kind: "cuda", or "cpu" for tests.
        threads: Threads of each process.
        meeting: Folder in which the processes find each other.
        config: Configuration of the trial.
        task: Everything that all trials share.
        cache: Folder of the store.
        cache_bytes: Bytes that all files in it may take together.
    """

    num_ranks: int
    kind: str
    threads: int
    meeting: str
    config: TrialConfig
    task: Task
    cache: Path
    cache_bytes: int


def cross_validate_on_ranks(
    num_ranks: int, kind: str, config: TrialConfig, task: Task, store: ArrayStore
) -> Generator[FoldRecord]:
    """Cross-validate on several devices of this node (see `split_network`).

    The calling process computes nothing, so it can end what waits for a device that was lost.

    Args:
        num_ranks: processes to start, each with a device of its own.
        kind: "cuda", or "cpu" for tests.
        config: Configuration of the trial. It trains stages, else there is nothing to split.
        task: Everything that all trials share.
        store: whose tables the ranks compute together.

    Yields:
        As `cross_validate` does.

    Raises:
        RankError: with the first error of a rank, or the signal that killed it.
    """
    receiver, sender = Pipe(duplex=False)
    with receiver, sender, tempfile.TemporaryDirectory() as meeting:
        threads = max(1, torch.get_num_threads() // num_ranks)
        job = RankJob(num_ranks, kind, threads, meeting, config, task, store.folder, store.budget)
        context = multiprocessing.spawn(_run, (job, sender), num_ranks, join=False, daemon=True)
        sender.close()  # only the first rank has it now, so its end is noticed in a record as well
        try:
            ended = False
            while not ended:
                ended = _ended(context)
                yield from _received(receiver)
        finally:
            for process in context.processes:
                process.kill()
                process.join()


def _received(receiver: Connection) -> Iterator[FoldRecord]:
    """Records that have arrived; the last one may be cut off by the end of its rank."""
    with contextlib.suppress(EOFError):
        while receiver.poll():
            yield receiver.recv()


def _ended(context: ProcessContext) -> bool:
    """Whether all ranks have ended well; waits a little."""
    try:
        return bool(context.join(_LOOK_SECONDS, _GRACE_SECONDS))
    except ProcessException as error:
        reason = str(error).strip().splitlines()[-1]
        killed = isinstance(error, ProcessExitedException) and error.signal_name is not None
        of_machine = killed or any(name in reason for name in _OF_THE_MACHINE)
        raise (LostRankError if of_machine else RankError)(
            f"process {error.error_index + 1} of {len(context.processes)} of this trial failed, "
            f"and the others were ended: {reason}"
        ) from error


def _run(rank: int, job: RankJob, sender: Connection) -> None:
    """The work of each process; only the first one reports."""
    use_threads(job.threads)
    device = torch.device(job.kind, rank if job.kind == "cuda" else 0)
    if job.kind == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if job.kind == "cuda" else "gloo",
        init_method=f"file://{job.meeting}/ranks",
        rank=rank,
        world_size=job.num_ranks,
    )
    if rank:
        sender.close()
    store = ArrayStore(job.cache, job.cache_bytes)
    for record in cross_validate(job.config, job.task, device, store):
        if rank == 0:
            sender.send(record)
    distributed.destroy_process_group()

"""One trial on several GPUs of a node: a process for each, of which any may be lost."""

import contextlib
import signal
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from torch.multiprocessing.spawn import ProcessContext, ProcessException, ProcessExitedException

from trainable.config import TrialConfig
from trainable.device import choose_kernels, in_a_line, machine_failure, use_threads
from trainable.errors import MachineError
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import FoldRecord, cross_validate
from trainable.trial.task import Task

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 2.0


class RankError(RuntimeError):
    """A process of a trial on several devices has failed or was killed; the others were ended."""


class LostRankError(RankError, MachineError):
    """A process of a trial on several devices was killed, or its machine failed."""


@dataclass(frozen=True)
class RankFailure:
    """The error of a process, as it classed it itself: its type is lost on the way out.

    Attributes:
        rank: Number of the process, from 0.
        at: When it was raised, in seconds of a clock that all processes share. Others fail soon
            after the first, since they wait for it.
        of_machine: Whether the machine failed, and not the configuration.
        reason: What happened, in one line.
    """

    rank: int
    at: float
    of_machine: bool
    reason: str


@dataclass(frozen=True)
class RankJob:
    """What every process of a trial on several devices is told.

    Attributes:
        num_ranks: Number of processes, each with a device of its own.
        kind: Type of the devices, such as "cuda"; "cpu" for tests.
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
        kind: Type of the devices, such as "cuda"; "cpu" for tests.
        config: Configuration of the trial. It trains stages, else there is nothing to split.
        task: Everything that all trials share.
        store: whose tables the ranks compute together.

    Yields:
        As `cross_validate` does.

    Raises:
        RankError: with the first error of a rank, or the signal that killed it.
    """
    receivers, senders = zip(*(Pipe(duplex=False) for _ in range(num_ranks)), strict=True)
    with contextlib.ExitStack() as stack:
        for end in (*receivers, *senders):
            stack.enter_context(end)
        meeting = stack.enter_context(tempfile.TemporaryDirectory())
        threads = max(1, torch.get_num_threads() // num_ranks)
        job = RankJob(num_ranks, kind, threads, meeting, config, task, store.folder, store.budget)
        context = multiprocessing.spawn(_run, (job, senders), num_ranks, join=False, daemon=True)
        for (
            sender
        ) in senders:  # only its rank has it now, so its end is noticed in a record as well
            sender.close()
        try:
            ended, failures = False, list[RankFailure]()
            while not ended:
                ended = _ended(context, receivers, failures)
                for message in _received(receivers[0]):
                    if isinstance(message, FoldRecord):
                        yield message
                    else:
                        failures.append(message)
        finally:
            for process in context.processes:
                process.kill()
                process.join()


def _received(receiver: Connection) -> Iterator[FoldRecord | RankFailure]:
    """Messages that have arrived; the last one may be cut off by the end of its rank."""
    with contextlib.suppress(EOFError):
        while receiver.poll():
            yield receiver.recv()


def _ended(
    context: ProcessContext, receivers: Sequence[Connection], failures: list[RankFailure]
) -> bool:
    """Whether all ranks have ended well; waits a little."""
    # seen before those that fail because of it, while nobody looked
    killed = [rank for rank, process in enumerate(context.processes) if (process.exitcode or 0) < 0]
    try:
        return bool(context.join(_LOOK_SECONDS, _GRACE_SECONDS))
    except ProcessException as error:
        if isinstance(error, ProcessExitedException):
            killed.append(error.error_index)
        late = [message for end in receivers for message in _received(end)]
        failures += [one for one in late if isinstance(one, RankFailure)]
        if killed or not failures:
            rank = (killed or [error.error_index])[0]
            ended_by = signal.Signals(-(context.processes[rank].exitcode or 0)).name
            first = RankFailure(rank, 0, True, f"it was ended by {ended_by}")
        else:
            first = min(failures, key=lambda failure: failure.at)
        raise (LostRankError if first.of_machine else RankError)(
            f"process {first.rank + 1} of {len(context.processes)} of this trial failed, "
            f"and the others were ended: {first.reason}"
        ) from error


def _run(rank: int, job: RankJob, senders: Sequence[Connection]) -> None:
    """The work of each process; only the first one reports, but each its failure."""
    sender = senders[rank]
    for other in senders:
        if other is not sender:
            other.close()
    try:
        for record in _records(rank, job):
            if rank == 0:
                sender.send(record)
    except Exception as error:
        lost = machine_failure(error)
        reason = in_a_line(error) if lost is None else lost
        sender.send(RankFailure(rank, time.monotonic(), lost is not None, reason))
        raise
    distributed.destroy_process_group()


def _records(rank: int, job: RankJob) -> Iterator[FoldRecord]:
    use_threads(job.threads)
    on_gpu = job.kind != "cpu"
    device = torch.device(job.kind, rank if on_gpu else 0)
    if on_gpu:
        torch.accelerator.set_device_index(rank)
        choose_kernels(repeatable=job.task.repeatable)
    distributed.init_process_group(
        distributed.get_default_backend_for_device(device),
        init_method=f"file://{job.meeting}/ranks",
        rank=rank,
        world_size=job.num_ranks,
    )
    store = ArrayStore(job.cache, job.cache_bytes)
    yield from cross_validate(job.config, job.task, device, store)

"""Where a trial computes, and in what precision."""

import contextlib
import ctypes
import functools
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits
from torch import Tensor, nn

from trainable.defaults import DeviceChoice
from trainable.errors import MachineError, num_of
from trainable.files import DiskError

Module = TypeVar("Module", bound=nn.Module)
Result = TypeVar("Result")

_AMPERE = (8, 0)
_CONTEXT_BYTES = 512 << 20  # of CUDA itself, in each process, beside what PyTorch holds
_SHARE_OF_KEPT = 0.4  # the rest is for weights, activations and gradients
_held_to = {"share": 1.0}  # of the GPU's memory, for this process; Apple's does not tell it


def pick_device(num_gpus: float, *, repeatable: bool = False) -> torch.device:
    """The device for a trial that was given this many GPUs (a fraction counts as one).

    It is the accelerator of this build of PyTorch: `cuda` (NVIDIA's GPUs, and AMD's with ROCm),
    `mps` (Apple's) or `xpu` (Intel's).

    Ray shows a trial the GPUs that it was given and no others, so the first is the right one; a
    trial given none must stay on the CPU, although on such a host it may see every GPU. Of a GPU
    that it shares, a process is held to its part of the memory.

    Args:
        num_gpus: GPUs that the process was given.
        repeatable: Whether a GPU is to use kernels that give the same numbers each time, where
            PyTorch has such; they may be slower.

    Raises:
        RuntimeError: if GPUs were given and PyTorch sees none.
    """
    if num_gpus <= 0:
        return torch.device("cpu")
    device = own_accelerator()
    if device is None:
        raise RuntimeError(
            f"the trial was given {num_gpus:g} GPUs, but PyTorch {torch.__version__} sees none; "
            "install a build of PyTorch for this GPU, or search with --gpus-per-trial 0"
        )
    if repeatable:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True, warn_only=True)
    if num_gpus < 1:
        total = _total_memory(device)
        share = max(num_gpus * total - _CONTEXT_BYTES, num_gpus * total / 2) / total
        torch.get_device_module(device).set_per_process_memory_fraction(share)
        _held_to["share"] = share
    choose_kernels(repeatable=repeatable)
    return device


def choose_kernels(*, repeatable: bool) -> None:
    """Let cuDNN take its fastest kernels by trying them, or the same ones each time."""
    torch.backends.cudnn.benchmark = not repeatable  # all batches have one shape but the last ones
    torch.backends.cudnn.deterministic = repeatable


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; nothing waits for what a GPU is computing.

    From memory that is not pinned, a copy would first let all earlier work end. Apple's GPU shares
    the memory of the processor, and there is nothing to pin.
    """
    if device.type == "cpu":
        return tensor
    if device.type not in ("cuda", "xpu"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Batching:
    """Batches of rows, smaller ones from when a GPU has no memory for more.

    Attributes:
        size: Rows of a batch, at most.
    """

    def __init__(self, size: int, what: str) -> None:
        """Begin with batches of this size; `what` says whose images they are, for the note."""
        self.size = size
        self._what = what

    def run(self, rows: Tensor, work: Callable[[Tensor], Result]) -> Iterator[Result]:
        """What `work` gives for each batch, in their order.

        Raises:
            RuntimeError: If a GPU has no memory for one row; of another kind, as `work` raises it.
        """
        start = 0
        while start < len(rows):
            batch = rows[start : start + self.size]
            try:
                result = work(batch)
            except RuntimeError as error:
                if len(batch) == 1 or not _is_full(error):
                    raise
                self.size = len(batch) // 2
                warnings.warn(
                    f"the GPU has no memory for {len(batch)} images of {self._what} at once; "
                    f"{num_of(self.size, 'is', 'are')} run at once from here on",
                    stacklevel=3,
                )
            else:
                yield result
                start += len(batch)


def use_threads(count: int) -> None:
    """Let PyTorch, and the BLAS and OpenMP of other libraries, compute in this many threads.

    Ray says so by a variable that they read when they are imported. By then a worker may have
    imported them.
    """
    torch.set_num_threads(count)
    threadpool_limits(count)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch and BLAS compute in one thread within it.

    Where arithmetic is small, several threads wait for each other for longer than they compute.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def room_on(device: torch.device) -> int:
    """Bytes that this process may still keep on a GPU for a whole trial, such as pixels."""
    if device.type == "mps":
        taken = torch.mps.current_allocated_memory()
    else:
        taken = torch.accelerator.memory_allocated(device)
    return int(_SHARE_OF_KEPT * _held_to["share"] * _total_memory(device)) - taken


def _total_memory(device: torch.device) -> int:
    """Bytes of a GPU; of Apple's, those that macOS lets it have."""
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    total: int = torch.get_device_module(device).get_device_properties(device).total_memory
    return total


def precision(device: torch.device) -> torch.dtype:
    """Arithmetic of a body's forward pass: bfloat16 where a GPU computes in it, else float32.

    NVIDIA's cards before Ampere (compute capability 8.0) only emulate bfloat16, and PyTorch does
    not warn. Their float16 could overflow in a body that was trained in float32, so they compute
    in float32. So does Apple's GPU, on which nothing has been measured.
    """
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.get_device_capability(device) >= _AMPERE
    else:
        has_bfloat16 = device.type == "xpu" and torch.xpu.is_bf16_supported(False)
    return torch.bfloat16 if has_bfloat16 else torch.float32


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in the precision of the device."""
    if precision(device) == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=precision(device))


def place(module: Module, device: torch.device) -> Module:
    """Move a module to its device, its convolution weights channels last.

    That layout is made for a GPU's tensor cores, and on CPUs it is as fast or up to twice as fast.
    """
    module.to(device)
    module.to(memory_format=torch.channels_last)
    return module


def return_memory() -> None:
    """Give the memory that earlier work has freed back to the GPU and to the system.

    PyTorch keeps that of a GPU. glibc keeps that of the processor: after ten networks, each of two
    workers held 0.4 GiB that nothing used. It lies between small pieces that are in use, so glibc
    returns it only when asked.
    """
    torch.accelerator.empty_cache()  # does nothing where no GPU was used
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """The libraries that compute in threads; to look for them takes as long as a small fit."""
    return ThreadpoolController()


def own_accelerator() -> torch.device | None:
    """The kind of GPU that this build of PyTorch can use here; None without one."""
    return torch.accelerator.current_accelerator(check_available=True)


def own_device(choice: DeviceChoice = "auto") -> torch.device:
    """The device of a process outside Ray, such as retraining."""
    return pick_device(float(choice == "auto" and own_accelerator() is not None))


def is_broken(error: BaseException) -> bool:
    """Whether a GPU refuses all further work of this process after the error.

    CUDA reports such an error again at each later call. To be out of memory is no such error.
    """
    if isinstance(error, RuntimeError) and _is_full(error):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def _is_full(error: RuntimeError) -> bool:
    """Whether a GPU has no memory left; PyTorch has no type for Apple's."""
    return isinstance(error, torch.OutOfMemoryError) or "MPS backend out of memory" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine had no memory for this process; PyTorch has no type for it on a CPU."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def machine_failure(error: Exception) -> str | None:
    """What failed of the machine, in a sentence; None for an error of the trial's own."""
    if isinstance(error, DiskError | MachineError):
        return str(error)
    if is_out_of_memory(error):
        advice = "run fewer trials at a time with --max-concurrent"
        return f"there was not enough memory ({in_a_line(error)}); {advice}"
    return in_a_line(error) if is_broken(error) else None


def in_a_line(error: Exception) -> str:
    """Type and first line of an error; those of CUDA go on with general advice."""
    return "".join(traceback.format_exception_only(error)).strip().partition("\n")[0]

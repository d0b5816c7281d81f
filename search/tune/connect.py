"""Ray itself: start one on this machine, or join a cluster that runs."""

import errno
import logging
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import ray

import trainable
from search.environment import ENVIRONMENT
from search.tune import agents, forked_worker
from search.tune.upstream_internals import hide_worker_logs, own_node, shut_down
from trainable.commands.stop import stop_signals
from trainable.device import own_accelerator
from trainable.errors import InputError

_PATIENCE_SECONDS = 5
_STARTS = 2  # of Ray on this machine


def start(folder: Path) -> None:
    """Start Ray on this machine, with its files in `folder`.

    Raises:
        OSError: If it does not start.
    """
    _hush()
    # Ray's processes inherit this: a signal to all of the group, or of the machine's job, leaves
    # them alone, so that the search can end in order
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
    try:
        with own_node(Path(forked_worker.__file__), Path(agents.__file__)):
            for attempt in range(_STARTS):
                try:
                    ray.init(
                        address="local",
                        num_cpus=cpus_to_tell(),
                        num_gpus=gpus_to_tell(),
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        _temp_dir=str(folder),
                    )
                except Exception as error:  # Ray raises errors of many kinds, and bare ones
                    shut_down()
                    if attempt + 1 == _STARTS:
                        raise OSError(
                            errno.EAGAIN, f"Ray did not start on this machine ({error})"
                        ) from error
                else:
                    return
    finally:
        stop_signals.renew()


def cpus_to_tell() -> int | None:
    """CPUs that this process may use, where they are fewer than the machine's; None elsewhere.

    Ray counts a container's share by itself, but not what Slurm or `taskset` leave of the machine.
    """
    if not hasattr(os, "sched_getaffinity"):  # on macOS and Windows a process may use all
        return None
    usable = len(os.sched_getaffinity(0))
    return usable if usable < (os.cpu_count() or 1) else None


def gpus_to_tell() -> int | None:
    """GPUs of this machine that Ray is told of; None where it counts them.

    It finds NVIDIA's and AMD's by itself. It finds Intel's only where the package dpctl is
    installed, and Apple's in its newest versions only; PyTorch uses one of these.
    """
    device = own_accelerator()
    return None if device is None or device.type == "cuda" else 1


def join(address: str) -> None:
    """Join a cluster, which is sent what runs on its nodes: `trainable/` and our switches.

    Raises:
        InputError: If there is none at this address.
    """
    _hush()
    with tempfile.TemporaryDirectory() as sent:
        shutil.copytree(trainable.__path__[0], Path(sent, "trainable"))
        # `py_modules` would come behind the current folder, of which a node may have an old copy
        switches = {name: os.environ[name] for name in ENVIRONMENT}
        try:
            _must_answer(address)
            ray.init(
                address=address,
                runtime_env={"working_dir": sent, "env_vars": switches},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, TimeoutError, socket.gaierror) as error:
            raise InputError(
                "--address must be auto, or HOST:PORT of a running Ray head; there is none at "
                f"{address} ({error})"
            ) from error
        finally:
            stop_signals.renew()


def _hush() -> None:
    """Let Ray print nothing of its own but errors."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    hide_worker_logs()
    # the errors of trials are kept in the log of trials, and the display says how many there are
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def _must_answer(address: str) -> None:
    """Ray itself tries for ever to reach a head that is not there."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()

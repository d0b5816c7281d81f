"""Start or join a Ray cluster, while the rest of the program is imported."""

import contextlib
import errno
import functools
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray

import trainable
from search.environment import ENVIRONMENT
from search.tune.local_ray import local_ray
from search.tune.upstream_internals import hide_worker_logs, preloading, shut_down
from trainable.commands.stop import stop_signals
from trainable.errors import InputError

_PATIENCE_SECONDS = 5
_STARTS = 2  # of Ray on this machine
# with fewer CPUs the search itself needs them; with more, workers of some 0.5 GiB each are too many
_CPUS_TO_PRELOAD = range(4, 33)


@contextlib.contextmanager
def cluster(
    address: str | None, without_token: bool = False, one_trial_per_cpu: bool = False
) -> Iterator[Callable[[], None]]:
    """Join a Ray cluster, or start one on this machine, for as long as the context lasts.

    Ray takes as long to start as PyTorch and the rest take to import, and mostly waits; so it
    starts in a thread, and this module imports nothing slow.

    Args:
        address: Address of the cluster to join; None to start one.
        without_token: Whether the cluster to join may be open to everybody.
        one_trial_per_cpu: Whether the Ray that is started will run a trial on each CPU. Then its
            workers import what a trial needs while the search reads the images.

    Yields:
        A function that waits until the cluster is there, or raises why it is not.

    Raises:
        InputError: If the environment says that Ray is to be open to everybody.
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled" and not (
        address and without_token
    ):
        advice = ", or add --without-token if the cluster to join has none" if address else ""
        raise InputError(
            "RAY_AUTH_MODE=disabled lets everybody who reaches Ray run code as you: unset "
            f"RAY_AUTH_MODE{advice}"
        )
    logging.getLogger("ray").setLevel(logging.ERROR)
    hide_worker_logs()
    # the errors of trials are kept in the log of trials, and the display says how many there are
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        if address is None:
            preload = one_trial_per_cpu and os.cpu_count() in _CPUS_TO_PRELOAD
            settings = preloading("ray.tune", "trainable.trial.ray_worker") if preload else {}
            start = functools.partial(_start, stack.enter_context(local_ray()), settings)
        else:
            start = functools.partial(_join, address)
        # Ray's processes end with the thread that started them (PR_SET_PDEATHSIG), so it must
        # outlive the shutdown, which else waits ten seconds and more for the dead
        starting = stack.enter_context(ThreadPoolExecutor(1)).submit(start)
        try:
            yield starting.result
        finally:
            with stop_signals.held():
                starting.exception()
                shut_down()


def _start(folder: Path, settings: dict[str, Any]) -> None:
    """Start Ray on this machine, with its files in `folder` and these settings of its own."""
    # Ray's processes inherit this: a signal to all of the group, or of the machine's job, leaves
    # them alone, so that the search can end in order
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
    try:
        for attempt in range(_STARTS):
            try:
                ray.init(
                    address="local",
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=str(folder),
                    _system_config=settings,
                )
            except Exception as error:  # Ray raises errors of many kinds, and bare ones
                # Ray waits 30 s for its own node, which a busy machine may exceed
                if "timed out" in str(error) and attempt + 1 < _STARTS:
                    shut_down()
                    continue
                raise OSError(
                    errno.EAGAIN,
                    f"Ray did not start on this machine ({error}); run the command again",
                ) from error
            return
    finally:
        stop_signals.renew()


def _join(address: str) -> None:
    """Join a cluster, which is sent what runs on its nodes: `trainable/` and our switches."""
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


def _must_answer(address: str) -> None:
    """Ray itself tries for ever to reach a head that is not there."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()

"""Start or join a Ray cluster, while the rest of the program is imported."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ray

import trainable
from search import ENVIRONMENT
from search.tune.private import hide_worker_logs
from trainable.errors import InputError

_PATIENCE_SECONDS = 5


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Callable[[], None]]:
    """Join a Ray cluster, or start one on this machine, for as long as the context lasts.

    Ray takes as long to start as PyTorch and the rest take to import, and mostly waits; so it
    starts in a thread, and this module imports nothing slow.

    Args:
        address: Address of the cluster to join; None to start one.

    Yields:
        A function that waits until the cluster is there, or raises why it is not.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    hide_worker_logs()
    # the errors of trials are kept in the ledger, and the display says how many there are
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # a scheduler's SIGTERM ends a search as Ctrl-C does, and not in Ray's crash handler
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Ray's processes end with the thread that started them (PR_SET_PDEATHSIG), so it must outlive
    # the shutdown, which else waits ten seconds and more for the dead
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(_start, address)
        try:
            yield starting.result
        finally:
            starting.exception()
            ray.shutdown()
            signal.signal(signal.SIGTERM, before)


def _start(address: str | None) -> None:
    """A cluster that is joined is sent what runs on its nodes: `trainable/` and our switches."""
    with tempfile.TemporaryDirectory() as sent:
        shutil.copytree(trainable.__path__[0], Path(sent, "trainable"))
        # `py_modules` would come behind the current folder, of which a node may have an old copy
        switches = {name: os.environ[name] for name in ENVIRONMENT}
        try:
            _must_answer(address)
            ray.init(
                address=address or "local",
                include_dashboard=False if address is None else None,
                runtime_env={"working_dir": sent, "env_vars": switches} if address else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, TimeoutError, socket.gaierror) as error:
            raise InputError(
                "--address must be auto, or HOST:PORT of a running Ray head; there is none at "
                f"{address} ({error})"
            ) from error


def _must_answer(address: str | None) -> None:
    """Ray itself tries for ever to reach a head that is not there."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()

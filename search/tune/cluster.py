"""Start or join a Ray cluster, while the rest of the program is imported."""

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from search.tune.local_ray import local_ray
from trainable.commands.stop import stop_signals
from trainable.errors import InputError

_USUAL_SECONDS = 20.0
_PATIENCE_MINUTES = 5
_GRACE_SECONDS = 5.0


@contextlib.contextmanager
def cluster(
    address: str | None,
    without_token: bool = False,
    say: Callable[[str], object] = print,
) -> Iterator[Callable[[], None]]:
    """Join a Ray cluster, or start one on this machine, for as long as the context lasts.

    Ray takes as long to start as PyTorch and the rest take to import, and mostly waits; so it
    starts in a thread, and this module imports nothing slow.

    Args:
        address: Address of the cluster to join; None to start one.
        without_token: Whether the cluster to join may be open to everybody.
        say: Takes a line for the user, where Ray takes long to start.

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
    with contextlib.ExitStack() as stack:
        folder = None if address else stack.enter_context(local_ray())
        # Ray itself takes a second to import; what the workers are forks of does so meanwhile
        from search.tune.connect import join, start
        from search.tune.upstream_internals import shut_down

        begin = (
            functools.partial(start, folder) if folder else functools.partial(join, str(address))
        )
        # Ray's processes end with the thread that started them (PR_SET_PDEATHSIG), so it must
        # outlive the shutdown, which else waits ten seconds and more for the dead
        starting = stack.enter_context(ThreadPoolExecutor(1)).submit(begin)
        try:
            yield functools.partial(_wait, starting, say)
        except SystemExit as end:
            _leave_if_stuck(starting, end)
            raise
        finally:
            with stop_signals.held():
                starting.exception()
                shut_down()


def _wait(starting: Future[None], say: Callable[[str], object]) -> None:
    """Wait until Ray has started, and say so if it takes long.

    Raises:
        OSError: If it does not start, or not in time.
    """
    try:
        with contextlib.suppress(TimeoutError):
            return starting.result(_USUAL_SECONDS)
        say(
            f"Ray has not started within {_USUAL_SECONDS:.0f} s{_load()}; it is given "
            f"{_PATIENCE_MINUTES} minutes"
        )
        return starting.result(60 * _PATIENCE_MINUTES - _USUAL_SECONDS)
    except TimeoutError:
        raise OSError(
            errno.EAGAIN,
            f"Ray did not start on this machine within {_PATIENCE_MINUTES} minutes{_load()}",
        ) from None


def _load() -> str:
    """That other work keeps the machine busy, where that is so."""
    load, num_cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load <= num_cpus:
        return ""
    return f": the machine is busy ({load:.0f} programs want to compute on {num_cpus} CPUs)"


def _leave_if_stuck(starting: Future[None], end: SystemExit) -> None:
    """End this process at once where Ray still starts: no call of Ray's can be cut short.

    All that Ray has started ends with this process.
    """
    with contextlib.suppress(TimeoutError):
        starting.exception(_GRACE_SECONDS)
        return
    sys.stdout.flush()
    os._exit(end.code if isinstance(end.code, int) else 1)

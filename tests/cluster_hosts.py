"""Several hosts on one machine, and a search that loses one of them; run by test_cluster_hosts.py.

    unshare --net --mount --pid --mount-proc --fork --kill-child \\
        python tests/cluster_hosts.py FOLDER

A host is a process in namespaces of its own: an address, processes, a home, /tmp and /dev/shm that
nobody else sees, and an sshd. The project's folder is hidden there, so nothing is shared. When the
first process of this one ends, however it does, the kernel takes all of it away.
"""

import os
import pwd
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from trainable.phantoms import write_demo

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "10.77.0.1"
RAY = Path(sys.prefix, "bin", "ray")
HEAD, *WORKERS = [f"10.77.0.{number}" for number in range(2, 6)]
NUM_TRIALS = 80

# $1 folder of the host, $2 its name, $3 the project, $4 its environment, $5 the home
START_HOST = """
set -e
mkdir -p "$1"/{home,home_work,venv,venv_work}
mount -t overlay home -o lowerdir="$5",upperdir="$1/home",workdir="$1/home_work" "$5"
rm -rf "$5/.ray" "$5/.ssh" "$5/.cache/cxr" "$5/cxr"
mkdir -p "$5/cxr/.venv"
mount -t overlay venv -o lowerdir="$4",upperdir="$1/venv",workdir="$1/venv_work" "$5/cxr/.venv"
# commands start the Python of this host
grep -rlI "$4" "$5/cxr/.venv/bin" | xargs sed -i "s#$4#$5/cxr/.venv#"
# there is no network to install from: `uv sync` finds all of it installed
echo "export UV_OFFLINE=1 PATH=$PATH" > "$5/.bashrc"
hostname "$2"
mount -t tmpfs tmpfs /run
mkdir /run/host /run/sshd
mount --bind "$1/../ssh" /run/host
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
[ ! -d "$3" ] || mount -t tmpfs tmpfs "$3"
ip link set lo up
read  # until the cable is in
exec /usr/sbin/sshd -D -e -f /run/host/sshd_config
"""

SSHD_CONFIG = """
HostKey /run/host/key
AuthorizedKeysFile /run/host/key.pub
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
MaxStartups 100
"""


def run(*command: object, **options: Any) -> str:
    """Run a command; its output is shown if it fails."""
    texts = [str(part) for part in command]
    done = subprocess.run(
        texts, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(texts)}\n{done.stdout}")
    return str(done.stdout)


def wait_for(what: str, is_so: Callable[[], bool], seconds: float = 180) -> None:
    """Look every second until it is so."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(1)
    print("#", what, flush=True)


class Host:
    """One machine of the cluster; its cable ends in a bridge that all of them are on."""

    def __init__(self, folder: Path, address: str) -> None:
        number = address.rpartition(".")[2]
        self.cable = f"cable{number}"
        own = folder / f"host{number}"
        own.mkdir()
        arguments = (own, f"host{number}", ROOT, Path(sys.prefix), home())
        namespaces = ("--net", "--mount", "--pid", "--mount-proc", "--uts", "--fork")
        self.process = subprocess.Popen(
            ["unshare", *namespaces, "--kill-child", "bash", "-c", START_HOST, "host"]
            + [str(argument) for argument in arguments],
            stdin=subprocess.PIPE,
            stdout=(folder / f"host{number}.log").open("w"),
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdin
        # `unshare` is in the new network by the time that it forks
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        wait_for(f"host {address} to be there", lambda: bool(children.read_text()), 20)
        inside = f"inside{number}"
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", inside)
        run("ip", "link", "set", self.cable, "master", "bridge", "up")
        run("ip", "link", "set", inside, "netns", self.process.pid)
        enter = ("nsenter", f"--net=/proc/{self.process.pid}/ns/net", "ip")
        run(*enter, "address", "add", f"{address}/24", "dev", inside)
        run(*enter, "link", "set", inside, "up")
        # Ray takes the address that the way out begins at for that of the node
        run(*enter, "route", "add", "default", "via", OUTSIDE)
        self.process.stdin.write(b"\n")
        self.process.stdin.close()

    def cut_off(self) -> None:
        """Its cable is pulled first, so that it can tell nobody of its end."""
        run("ip", "link", "set", self.cable, "down")
        self.process.kill()
        self.process.wait()


def home() -> Path:
    """Home of the user that sshd logs in, whatever this process calls its own."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


@dataclass(frozen=True)
class Outside:
    """The machine that the user sits at: the project, a key, a token, and no Ray of its own."""

    folder: Path

    @property
    def cluster_yaml(self) -> Path:
        """The project's own file, filled in."""
        return self.folder / "cluster.yaml"

    def fill_in(self, workers: Sequence[str]) -> None:
        """Do as the comments of cluster.yaml say."""
        config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
        config["provider"] |= {"head_ip": HEAD, "worker_ips": list(workers)}
        config |= {"min_workers": len(workers), "max_workers": len(workers)}
        user = pwd.getpwuid(os.getuid()).pw_name
        config["auth"] = {"ssh_user": user, "ssh_private_key": str(self.folder / "ssh" / "key")}
        self.cluster_yaml.write_text(yaml.safe_dump(config, sort_keys=False))

    def ray(self, *arguments: object) -> str:
        """A command of Ray's, in the project's folder."""
        print("$ ray", *arguments, flush=True)
        switches = {"RAY_UP_enable_autoscaler_v2": "0", "RAY_AUTH_MODE": "token"}
        environment = {**os.environ, **switches, "RAY_USAGE_STATS_ENABLED": "0"}
        return run(RAY, *arguments, cwd=ROOT, env=environment)

    def join(self, address: str) -> None:
        """Bring in a machine that cluster.yaml did not name: what it says, done by hand."""
        config = yaml.safe_load(self.cluster_yaml.read_text())
        wait_for(f"sshd on {address}", lambda: is_open(address, 22), 30)
        self.ssh(address, "mkdir -p ~/cxr ~/.ray")
        shell = shlex.join(["ssh", *self.ssh_options()])
        for there, here in config["file_mounts"].items():
            source = f"{Path(ROOT, Path(here).expanduser())}" + "/" * Path(ROOT, here).is_dir()
            run("rsync", "-a", "-e", shell, source, f"{address}:{there.removeprefix('~/')}")
        for command in config["setup_commands"] + config["worker_start_ray_commands"]:
            self.ssh(address, f"export RAY_HEAD_IP={HEAD}; {command}")

    def ssh_options(self) -> list[str]:
        """Hosts are new each time, so nothing is known of their keys."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        return ["-i", str(self.folder / "ssh" / "key"), *(f"-o{option}" for option in options)]

    def ssh(self, address: str, command: str) -> str:
        """What a command prints on a host."""
        return run("ssh", *self.ssh_options(), address, command)


def num_rows(outside: Outside) -> int:
    """Trials that have ended so far."""
    ledger = outside.ssh(HEAD, "cat ~/runs/xrays/trials.csv 2>/dev/null || true")
    return max(0, ledger.count("\n") - 1)


def nodes(outside: Outside) -> set[str]:
    """Addresses of the nodes that are alive, as the head sees them."""
    join = "import ray; ray.init('auto', log_to_driver=False)"
    alive = "(node['NodeManagerAddress'] for node in ray.nodes() if node['Alive'])"
    tell = f"{join}; print(*{alive})"
    told = outside.ssh(HEAD, f'cd ~/cxr && RAY_AUTH_MODE=token .venv/bin/python -c "{tell}"')
    return set(told.splitlines()[-1].split())


def is_open(address: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as connection:
        return connection.connect_ex((address, port)) == 0


def refuse_without_token(dashboard: str) -> None:
    """Who comes through the tunnel without a token, or with a wrong one, is turned away."""
    headers: dict[str, str]
    for headers in ({}, {"Authorization": f"Bearer {'0' * 64}"}):
        request = urllib.request.Request(f"{dashboard}/api/jobs/", headers=headers)
        with pytest.raises(urllib.error.HTTPError, match=r"401|403"):
            urllib.request.urlopen(request)


def main(folder: Path) -> None:
    """Start hosts and cluster, search, lose a host, gain one, predict."""
    (folder / "ssh").mkdir(parents=True)
    (folder / "ssh" / "sshd_config").write_text(SSHD_CONFIG)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "ssh" / "key")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "bridge", "type", "bridge")
    run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "bridge")
    run("ip", "link", "set", "bridge", "up")
    hosts = {address: Host(folder, address) for address in (HEAD, *WORKERS[:2])}
    outside = Outside(folder)
    os.environ["HOME"] = str(folder)
    outside.ray("get-auth-token", "--generate")
    outside.fill_in(WORKERS[:2])
    outside.ray("up", "-y", outside.cluster_yaml)
    wait_for("three nodes", lambda: nodes(outside) == {HEAD, *WORKERS[:2]})
    search(folder, outside, hosts)
    predict(folder, outside)
    check(folder)


def search(folder: Path, outside: Outside, hosts: dict[str, Host]) -> None:
    """Submit a search from outside; while it runs, one host is lost and another joins."""
    write_demo(folder / "xrays", num_patients=60, num_test_patients=12, size=64, seed=1)
    outside.ray("rsync-up", outside.cluster_yaml, f"{folder / 'xrays'}/", "~/xrays/")
    dashboard = "http://127.0.0.1:8265"
    tunnel = subprocess.Popen([RAY, "dashboard", outside.cluster_yaml], stdout=subprocess.DEVNULL)
    wait_for("the tunnel", lambda: is_open("127.0.0.1", 8265))
    refuse_without_token(dashboard)
    options = ("--weights", "none", "--backbones", "squeezenet1_0,resnet18", "--unfreeze", "one")
    sizes = ("--image-size", "64", "--batch-size", "16", "--folds", "3", "--trials", NUM_TRIALS)
    outside.ray(
        *("job", "submit", "--address", dashboard, "--submission-id", "xrays", "--no-wait", "--"),
        *("cxr-search", "--address", "auto", "--data", "~/xrays/train.csv"),
        *("--out", "~/runs/xrays", *options, *sizes),
    )
    wait_for("three trials", lambda: bool(job_status(outside, dashboard)) and num_rows(outside) > 2)
    hosts[WORKERS[0]].cut_off()
    hosts[WORKERS[2]] = Host(folder, WORKERS[2])
    outside.join(WORKERS[2])
    wait_for("the late host to be a node", lambda: WORKERS[2] in nodes(outside))
    wait_for("the end", lambda: "succeeded" in job_status(outside, dashboard), 400)
    print(outside.ray("job", "logs", "--address", dashboard, "xrays"))
    tunnel.terminate()
    # the host that came late had no images, and has them now
    assert "pixels-64" in outside.ssh(WORKERS[2], "ls ~/.cache/cxr")


def job_status(outside: Outside, dashboard: str) -> str:
    """What Ray says of the search; it must not have failed."""
    status = outside.ray("job", "status", "--address", dashboard, "xrays")
    assert "failed" not in status, outside.ray("job", "logs", "--address", dashboard, "xrays")
    return status


def predict(folder: Path, outside: Outside) -> None:
    """Retrain the winner on the head, and bring run folder and predictions home."""
    images = "--images ~/xrays/test --template ~/xrays/prediction_example.csv"
    command = f"cxr-predict ~/runs/xrays {images} --seeds 1 --out ~/runs/xrays/predictions.csv"
    outside.ray("exec", outside.cluster_yaml, f"cd ~/cxr && uv run --no-sync {command}")
    outside.ray("rsync-down", outside.cluster_yaml, "~/runs/", f"{folder / 'runs'}/")


def check(folder: Path) -> None:
    """Each trial ended once, and each image that was asked for has a prediction."""
    trials = pd.read_csv(folder / "runs" / "xrays" / "trials.csv")
    assert set(trials["state"]) <= {"complete", "stopped"}, trials
    assert sorted(trials["number"]) == list(range(NUM_TRIALS))
    predictions = pd.read_csv(folder / "runs" / "xrays" / "predictions.csv")
    template = pd.read_csv(folder / "xrays" / "prediction_example.csv")
    assert predictions["image"].tolist() == template["image"].tolist()
    assert set(predictions["died"]) <= {0, 1}
    print(f"# {NUM_TRIALS} trials, {len(predictions)} predictions")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

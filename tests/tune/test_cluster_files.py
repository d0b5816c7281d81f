"""The files that launch a search on a cluster say what Ray, KubeRay, Slurm and cxr-search take."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start
from ray.scripts.symmetric_run import curate_and_validate_ray_start_args

from search.command import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "cluster"
RAY_UP = (ROOT / "cluster.yaml", DOCS / "aws.yaml")
SWITCHES = ("RAY_AUTH_MODE=token", "RAY_memory_monitor_refresh_ms=0", "RAY_USAGE_STATS_ENABLED=0")

# what KubeRay's API reference documents of the parts that are used
RAY_JOB = {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit"} | {
    "rayClusterSpec"
}
RAY_CLUSTER = {"rayVersion", "enableInTreeAutoscaling", "authOptions", "headGroupSpec"} | {
    "workerGroupSpecs"
}
HEAD_GROUP = {"serviceType", "rayStartParams", "template"}
WORKER_GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def start_commands(config: dict[str, Any]) -> list[str]:
    keys = ("head_start_ray_commands", "worker_start_ray_commands")
    return [line for key in keys for line in config[key] if "ray start" in line]


def assert_ray_start_takes(options: list[str]) -> None:
    known = {name for parameter in start.params for name in parameter.opts}
    assert {option.partition("=")[0] for option in options} <= known


def assert_search_takes(command: str) -> None:
    program, *options = shlex.split(command)
    assert program == "cxr-search"
    app.parse_args(options, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("path", RAY_UP, ids=lambda path: path.name)
def test_ray_up_takes_the_file(path: Path) -> None:
    config = prepare_config(yaml.safe_load(path.read_text()))
    validate_config(config)
    commands = start_commands(config)
    assert len(commands) == 2
    for command in commands:
        assert all(switch in command for switch in SWITCHES)
        options = [part for part in command.partition("ray start")[2].split() if part[:2] == "--"]
        assert_ray_start_takes(options)
    assert "--dashboard-host=127.0.0.1" in commands[0]


@pytest.mark.parametrize("path", RAY_UP, ids=lambda path: path.name)
def test_all_of_the_project_and_the_token_go_to_each_machine(path: Path) -> None:
    mounts = yaml.safe_load(path.read_text())["file_mounts"]
    packages = {f"~/cxr/{package}": package for package in ("search", "trainable", "analysis")}
    files = {f"~/cxr/{file}": file for file in ("pyproject.toml", "README.md")}
    assert mounts == packages | files | {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert all((ROOT / path).exists() for path in (packages | files).values())


def test_aws_starts_with_no_worker_and_ends_with_none() -> None:
    config = yaml.safe_load((DOCS / "aws.yaml").read_text())
    worker = config["available_node_types"]["gpu_worker"]
    assert (worker["min_workers"], worker["max_workers"]) == (0, config["max_workers"])
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    [rule] = config["provider"]["security_group"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert config["provider"]["cache_stopped_nodes"] is False


def test_the_ray_job_has_the_fields_that_kuberay_documents() -> None:
    job = yaml.safe_load((DOCS / "kubernetes.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    head, [workers] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert set(job["spec"]) <= RAY_JOB
    assert set(cluster) <= RAY_CLUSTER
    assert set(head) <= HEAD_GROUP
    assert set(workers) <= WORKER_GROUP
    assert cluster["authOptions"] == {"mode": "token"}
    assert_search_takes(job["spec"]["entrypoint"])
    for group in (head, workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        assert_ray_start_takes([f"--{name}" for name in group["rayStartParams"]])
        [container] = group["template"]["spec"]["containers"]
        claimed = {volume["name"] for volume in group["template"]["spec"].get("volumes", ())}
        assert {mount["name"] for mount in container.get("volumeMounts", ())} == claimed
    installed = (ROOT / "Dockerfile").read_text()
    assert f'"ray=={cluster["rayVersion"]}"' in installed


def test_the_image_has_what_the_package_is_made_of_and_its_commands() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied == ["pyproject.toml", "README.md", "search", "trainable", "analysis"]
    assert set(packages) <= set(copied)
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert kept == set(copied)
    [extras] = re.findall(r"\.\[([a-z,]+)\]", "\n".join(lines))
    assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"])
    default = next(line for line in lines if line.startswith("CMD "))
    assert json.loads(default.removeprefix("CMD "))[0] in project["project"]["scripts"]


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ({}, ["uv", "run", "--no-sync"]),
        ({"CXR": "apptainer exec cxr.sif"}, ["apptainer", "exec", "cxr.sif"]),
    ],
)
def test_the_slurm_script_starts_ray_on_every_node_and_the_search_on_the_first(
    tmp_path: Path, given: dict[str, str], begins: list[str]
) -> None:
    stand_ins = {
        "scontrol": 'test "$3" = "node[1-4]" && printf "node1\\nnode2\\nnode3\\nnode4\\n"',
        "srun": 'printf "%s\\n" "$@" "${#RAY_AUTH_TOKEN}" "$RAY_AUTH_MODE"',
    }
    for name, body in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-4]", "SLURM_JOB_NUM_NODES": "4"}
    done = subprocess.run(
        ["bash", DOCS / "slurm.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_CPUS_PER_TASK": "32", **slurm}
        | {"SLURM_GPUS_ON_NODE": "4", "HOME": "/home/me"}
        | given,
        capture_output=True,
        text=True,
        check=True,
    )
    *command, token_length, mode = done.stdout.split("\n")[:-1]
    assert command[:5] == [*begins, "ray", "symmetric-run"]
    assert (token_length, mode) == ("64", "token")
    split = command.index("--")
    options = command[5:split]
    assert options[:4] == ["--address", "node1:20007", "--min-nodes", "4"]
    of_start = curate_and_validate_ray_start_args(options)
    assert_ray_start_takes([option for option in of_start if option.startswith("--")])
    assert_search_takes(shlex.join(command[split + 1 :]))


def test_slurm_s_directives_come_before_the_first_command_and_are_known() -> None:
    lines = (DOCS / "slurm.sh").read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    assert lines[1 : 1 + len(directives)] == directives
    known = {"job-name", "nodes", "ntasks-per-node", "cpus-per-task", "gpus-per-node", "time"}
    assert {line.split("--")[1].partition("=")[0] for line in directives} == known | {"output"}

"""The files that launch a search on a cluster say what Ray, KubeRay, Slurm and cxr-search take."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

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


def strict(schema: Any) -> Any:
    """The schema as `kubectl apply` uses it: a field that the schema lacks is refused."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    is_open = schema.get("x-kubernetes-preserve-unknown-fields", False)
    closed = {"additionalProperties": False} if "properties" in schema and not is_open else {}
    return closed | {name: strict(part) for name, part in schema.items()}


def problems(document: Any, schema: Any) -> list[str]:
    found = jsonschema.Draft202012Validator(strict(schema)).iter_errors(document)
    return [f"{problem.json_path}: {problem.message}" for problem in found]


def test_the_ray_job_is_what_kuberay_s_own_schema_takes() -> None:
    path = os.environ.get("CXR_KUBERAY_CRD")
    if not path:
        pytest.skip("CXR_KUBERAY_CRD names no file with the CRD of RayJob; see docs/cluster.md")
    versions = yaml.safe_load(Path(path).read_text())["spec"]["versions"]
    [schema] = [part["schema"]["openAPIV3Schema"] for part in versions if part["name"] == "v1"]
    job = yaml.safe_load((DOCS / "kubernetes.yaml").read_text())
    assert problems(job, schema) == []
    # that it is read as strictly as the API server reads
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["container"] = []
    assert len(problems(job, schema)) == 1


def test_a_field_that_the_schema_of_a_resource_lacks_is_a_problem() -> None:
    schema = {
        "properties": {
            "spec": {"type": "object", "properties": {"entrypoint": {"type": "string"}}},
            "metadata": {"type": "object"},
        }
    }
    assert problems({"spec": {"entrypoint": "true"}, "metadata": {"name": "cxr"}}, schema) == []
    [problem] = problems({"spec": {"entryPoint": "true"}}, schema)
    assert problem.startswith("$.spec: ")
    assert "'entryPoint' was unexpected" in problem


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


@pytest.fixture
def on_first_node(tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Runs slurm.sh with stand-ins for Slurm, where the real one (test_slurm.py) may be missing."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    stand_ins = {
        "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
        "apptainer": 'shift 2; echo apptainer; exec "$@"',
        "ray": 'echo ray "$@" "${#RAY_AUTH_TOKEN} $RAY_AUTH_MODE"',
        "cxr-search": 'echo cxr-search "$@"; exit 138',
    }
    for name, body in stand_ins.items():
        # what `ray start` prints is not shown
        (programs / name).write_text(f"#!/bin/sh\nexec >>{tmp_path}/called\n{body}\n")
        (programs / name).chmod(0o755)
    slurm = {"JOB_ID": "7", "NODEID": "0", "LAUNCH_NODE_IPADDR": "10.0.0.1", "CPUS_ON_NODE": "32"}

    def call(*arguments: str, **given: str) -> list[list[str]]:
        (tmp_path / "called").unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", DOCS / "slurm.sh", *arguments],
            cwd=tmp_path,
            env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
            | {f"SLURM_{name}": value for name, value in slurm.items()}
            | given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 138, done.stderr
        assert not Path("/tmp/cxr-7").exists()
        return [line.split() for line in (tmp_path / "called").read_text().splitlines()]

    return call


def test_the_slurm_script_starts_ray_and_the_search_on_the_first_node(
    on_first_node: Callable[..., list[list[str]]],
) -> None:
    ray, search = on_first_node("--trials", "9", SLURM_GPUS_ON_NODE="4")
    assert ray[:3] == ["ray", "start", "--head"]
    assert ray[-2:] == ["64", "token"]
    assert {"--port=20007", "--num-cpus=32", "--num-gpus=4"} <= set(ray)
    assert_ray_start_takes(ray[2:-2])
    assert_search_takes(shlex.join(search))
    assert search[1:3] == ["--address", "10.0.0.1:20007"]
    assert search[-2:] == ["--trials", "9"]


def test_the_slurm_script_runs_in_an_image_too_and_goes_on_with_a_run(
    on_first_node: Callable[..., list[list[str]]], tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "xrays"
    run.mkdir(parents=True)
    (run / "settings.json").touch()
    called = on_first_node("--trials", "9", CXR="apptainer exec cxr.sif")
    assert [words[0] for words in called] == ["apptainer", "ray", "apptainer", "cxr-search"]
    assert "--num-gpus=0" in called[1]
    assert called[-1][-2:] == ["--resume", str(run)]
    assert_search_takes(shlex.join(called[-1]))


def test_slurm_s_directives_come_before_the_first_command_and_are_known() -> None:
    lines = (DOCS / "slurm.sh").read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    assert lines[1 : 1 + len(directives)] == directives
    known = {"job-name", "nodes", "gpus-per-node", "time", "exclusive", "mem", "requeue", "signal"}
    given = {line.split("--")[1].partition("=")[0] for line in directives}
    assert given == known | {"output", "open-mode"}

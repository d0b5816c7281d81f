#!/usr/bin/env bash
#SBATCH --job-name=cxr
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=08:00:00
#SBATCH --output=cxr-%j.out
# On Slurm: sbatch docs/cluster/slurm.sh, in the project's folder, after `uv sync --extra cluster`.
# Every node runs the same command; Ray makes the first one the head, runs the search on it, and
# ends the others with it. Checked with Ray's own parser and a stand-in for Slurm, not run on it.
set -euo pipefail

# a token of this job's own; it is in the environment of your processes alone
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0 RAY_memory_monitor_refresh_ms=0

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
# two jobs of yours on one node must not meet
port=$((20000 + SLURM_JOB_ID % 20000))

# less than --time, so that the winner is written before Slurm ends the job
srun uv run --no-sync ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "$SLURM_GPUS_ON_NODE" -- \
    cxr-search --address "$head:$port" --data ~/xrays/train.csv --out ~/runs/xrays --time-budget 7h

#!/usr/bin/env bash
#SBATCH --job-name=cxr
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=08:00:00
#SBATCH --output=cxr-%j.out
# On Slurm: sbatch docs/cluster/slurm.sh, in the project's folder, after `uv sync --extra cluster`.
# With the image of the Dockerfile in place of that, as cxr.sif:
#   CXR="apptainer exec --nv cxr.sif" sbatch docs/cluster/slurm.sh
# Every node runs the same command. Ray makes the first node the head and runs the search there.
# The other nodes end with it. This file was checked with Ray's parser and a stand-in for Slurm. It
# was not run on Slurm.
set -euo pipefail

# a token for this job alone; only your own processes have it in their environment
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0 RAY_memory_monitor_refresh_ms=0

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
# two of your jobs on one node must not share a port
port=$((20000 + SLURM_JOB_ID % 20000))

read -ra cxr <<< "${CXR:-uv run --no-sync}"

# the time budget is less than --time, so that the winner is written before Slurm ends the job
srun "${cxr[@]}" ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "$SLURM_GPUS_ON_NODE" -- \
    cxr-search --address "$head:$port" --data ~/xrays/train.csv --out ~/runs/xrays --time-budget 7h

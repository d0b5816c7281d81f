#!/usr/bin/env bash
#SBATCH --job-name=cxr
#SBATCH --nodes=4
#SBATCH --gpus-per-node=4
#SBATCH --time=08:00:00
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --requeue
#SBATCH --signal=USR1@600
#SBATCH --output=cxr-%j.out
#SBATCH --open-mode=append
# On Slurm: sbatch docs/cluster/slurm.sh, in the project's folder, after `uv sync --extra cluster`.
# Options of cxr-search may follow, for a new search. The same command again goes on with it.
# With the image of the Dockerfile in place of the project's environment, as cxr.sif:
#   CXR="apptainer exec --nv cxr.sif" sbatch docs/cluster/slurm.sh
# Ray and the search begin on the first node. The nodes are whole ones, as Ray counts all memory
# of a node. Where Slurm loses a node, it starts the job again, and the search goes on. Ten minutes
# before the job's time is over, the search is told to end with the winner so far.
set -euo pipefail

run=~/runs/xrays
if [ -e "$run/settings.json" ]; then
    search=(--resume "$run")
else
    search=(--data ~/xrays/train.csv --out "$run" "$@")
fi

# a token for this job alone; only your own processes have it in their environment
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0 RAY_memory_monitor_refresh_ms=0
# for sockets: on the node's own disk, and short; else they are where TMPDIR of your login is
export RAY_TMPDIR=/tmp/cxr-$SLURM_JOB_ID TMPDIR=/tmp/cxr-$SLURM_JOB_ID
# somebody else's job may be at Ray's usual port
export RAY_PORT=$((20000 + SLURM_JOB_ID % 20000))
export CXR=${CXR:-} PATH=$PWD/.venv/bin:$PATH

# Slurm signals all processes of a step. Ray's must not end before the search has: they block what
# the search takes. A task gets one CPU unless it is told otherwise.
srun --ntasks-per-node=1 --no-kill --cpu-bind=none \
    env --block-signal=TERM --block-signal=USR1 bash -euc '
        address=$SLURM_LAUNCH_NODE_IPADDR:$RAY_PORT
        is_up() { (: < "/dev/tcp/${address/://}") 2>/dev/null; }
        start() {
            set -m  # so that all of Ray is a process group
            $CXR ray start "$@" --num-cpus="$SLURM_CPUS_ON_NODE" \
                --num-gpus="${SLURM_GPUS_ON_NODE:-0}" >/dev/null &
            ray=$!
            set +m
            wait "$ray"
        }
        end() {
            [ -z "$ray" ] || kill -KILL -- "-$ray" || true
            rm -rf "$TMPDIR"
        }

        ray=
        rm -rf "$TMPDIR"
        mkdir -m 700 "$TMPDIR"
        trap end EXIT
        if [ "$SLURM_NODEID" = 0 ]; then
            start --head --node-ip-address="$SLURM_LAUNCH_NODE_IPADDR" --port="$RAY_PORT"
            $CXR cxr-search --address "$address" --time-budget none "$@"
        else
            # a head that has just begun to listen refuses nodes
            until sleep 10; is_up && start --address="$address"; do [ "$SECONDS" -lt 300 ]; done
            while is_up; do sleep 5; done
        fi
    ' node "${search[@]}"

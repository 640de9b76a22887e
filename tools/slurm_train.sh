#!/bin/sh
# Train with Slurm: srun starts a process for each GPU.
#   [GPUS=4] [GPUS_PER_NODE=4] [CPUS_PER_TASK=5] [SRUN_ARGS=...] sh tools/slurm_train.sh PARTITION JOB CONFIG [options of tools/train.py]
# Environment: PORT (default 29500), PYTHON.
if [ $# -lt 3 ]; then
    echo "usage: sh tools/slurm_train.sh PARTITION JOB CONFIG [options of tools/train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
. "$tools/python.sh"
partition=$1 job=$2 config=$3
shift 3
GPUS=${GPUS:-4}
GPUS_PER_NODE=${GPUS_PER_NODE:-4}
[ "$GPUS" -ge "$GPUS_PER_NODE" ] || GPUS_PER_NODE=$GPUS
# SRUN_ARGS is several words on purpose.
# shellcheck disable=SC2086
exec srun -p "$partition" --job-name="$job" --gres="gpu:$GPUS_PER_NODE" --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "$python" -u "$tools/train.py" "$config" --launcher slurm "$@"

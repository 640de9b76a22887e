#!/bin/sh
# Train on several GPUs of this machine with torchrun, or of several machines, each with its own call.
#   sh tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# Environment: PORT (default: a free one; 29500 for several machines), NNODES, NODE_RANK, MASTER_ADDR, PYTHON.
if [ $# -lt 2 ]; then
    echo "usage: sh tools/dist_train.sh CONFIG GPUS [options of tools/train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
. "$tools/python.sh"
config=$1 gpus=$2
shift 2
exec "$python" -m s4former.compat.launch "$gpus" "$tools/train.py" "$config" --launcher pytorch "$@"

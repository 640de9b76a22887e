#!/bin/sh
# Score a model on several GPUs with torchrun; the images are shared out.
#   sh tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
# Environment: as tools/dist_train.sh.
if [ $# -lt 3 ]; then
    echo "usage: sh tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
. "$tools/python.sh"
config=$1 checkpoint=$2 gpus=$3
shift 3
exec "$python" -m s4former.compat.launch "$gpus" "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"

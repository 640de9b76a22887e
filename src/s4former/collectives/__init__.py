"""What processes that train together have to know of each other; one process knows it anyway."""

from s4former.collectives.agreement import (
    any_rank,
    gathered,
    in_lockstep,
    mark_unshared,
    on_rank0,
    raise_on_all_ranks,
    require_same,
)
from s4former.collectives.batch import (
    batch_norm,
    drop,
    global_indices,
    learning_part,
    next_images,
    normalize_by,
    rank,
    reversed_images,
    total,
    world_size,
)
from s4former.collectives.shards import any_sharded, assembled, is_sharded, own_rows, whole

__all__ = [
    "any_rank",
    "any_sharded",
    "assembled",
    "batch_norm",
    "drop",
    "gathered",
    "global_indices",
    "in_lockstep",
    "is_sharded",
    "learning_part",
    "mark_unshared",
    "next_images",
    "normalize_by",
    "on_rank0",
    "own_rows",
    "raise_on_all_ranks",
    "rank",
    "require_same",
    "reversed_images",
    "total",
    "whole",
    "world_size",
]

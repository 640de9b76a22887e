"""Networks: vision transformers, plain or hierarchical, their heads, and the weights they start from."""

"""Networks: plain vision transformers with segmentation heads, and the weights they start from."""

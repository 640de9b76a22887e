"""Segmentation heads: from feature grids to logits."""

"""Trained networks at work: loading, prediction, windows, test-time augmentation, evaluation."""

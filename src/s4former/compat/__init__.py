"""The released command lines: what the scripts in ``tools/`` and ``configs/`` call."""

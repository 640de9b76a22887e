"""The file ``dataset.yaml``: what it may hold, and what to write into it for folders nobody described."""

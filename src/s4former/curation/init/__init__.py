"""What ``s4former init`` finds out about a folder, and the ``dataset.yaml`` that it writes."""

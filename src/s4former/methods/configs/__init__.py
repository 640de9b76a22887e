"""The configs of methods, apart from their modules, so that a run is read and checked without torch."""

"""Pictures of runs and the page of a check of data; never imports the engine."""

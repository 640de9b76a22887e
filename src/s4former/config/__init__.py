"""What a run is, as data: config classes, overrides from a command line, the record of a run. No torch."""

"""Looks after data sets: init, check, annotation formats, prepare, making of splits."""

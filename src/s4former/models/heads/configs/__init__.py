"""Heads as data: read without torch; what they build is in the file of the same name above."""

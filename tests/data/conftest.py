"""Lies here so that tests in subfolders can import `folders`."""

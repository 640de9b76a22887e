"""Trains and predicts: introduces data, network and method to each other and writes the run folder."""

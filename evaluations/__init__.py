"""Measurements of the optimizer: what its parts are worth. All figures here come from the simulated model."""

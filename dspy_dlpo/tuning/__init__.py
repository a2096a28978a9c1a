"""Optuna schedules and tunes the hyperparameters, and shows it; the only room that imports Optuna."""

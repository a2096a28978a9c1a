"""The DSPy side: the only place that imports dspy for the optimizer."""

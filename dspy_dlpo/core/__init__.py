"""The optimizer as pure data and functions: no DSPy, no Optuna, no language model."""

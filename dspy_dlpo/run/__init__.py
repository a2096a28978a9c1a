"""One call of `compile`: checks, settings, wiring, interruption, selection and the final claim."""

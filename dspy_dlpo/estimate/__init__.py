"""The price of a run, before anything is spent."""

"""What ``dlpo doctor`` checks."""

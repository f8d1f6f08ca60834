"""Runs: one notebook, one key, many keys; what ran, what is fresh, and what code each stage runs."""

"""Fails while it is imported."""

raise Exception("Runtime startup fails")

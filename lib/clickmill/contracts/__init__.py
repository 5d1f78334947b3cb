"""Layer 0: what a table is. Imports nothing else of clickmill."""

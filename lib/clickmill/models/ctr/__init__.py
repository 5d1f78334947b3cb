"""Click networks: one embedding table for all fields, networks over its rows, and a step of training that touches what it needs."""

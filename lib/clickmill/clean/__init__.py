"""Stages of cleaning, all on one order: by visitor, and in time within a visitor."""

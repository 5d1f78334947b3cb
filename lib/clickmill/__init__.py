"""clickmill: raw clickstream in at the top, checked tables out at the bottom."""

__version__ = "0.1.0"

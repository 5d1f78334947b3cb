"""A clickstream whose truth is known: who likes what, who is a machine, which line is a copy. No job reads any of it."""

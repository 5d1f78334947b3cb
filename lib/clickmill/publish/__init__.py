"""Publishing: candidates and rules make the tables that people query."""

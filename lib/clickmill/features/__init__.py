"""Features: facts about users and items that models learn from."""

"""How good lists are: states that add up over users and items, and one ratio at the end."""

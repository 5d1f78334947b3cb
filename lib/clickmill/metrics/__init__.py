"""How good lists and probabilities are: states that add up over users, items and rows, and one ratio at the end."""

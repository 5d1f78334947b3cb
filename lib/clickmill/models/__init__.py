"""Models: numbers for ids, factors of users and items, and the candidates they give."""

"""The command line `clickmill` as a program that Spark can be given: code and data come from the wheel beside it.

Not named after the package, nor kept in it: Python looks for imports beside the program first, and would find the wrong ones.
"""

from clickmill import cli

if __name__ == "__main__":
    cli.main()

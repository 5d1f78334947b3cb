"""Errors with an exit code: what a caller of a job can act on, in one line, without personal data."""


class ClickmillError(Exception):
    """An error that is told in one line. `exit_code` is what the process ends with."""

    exit_code = 1


class UsageError(ClickmillError):
    """The command line, a config file or a source file is wrong; it names the key and what was expected."""

    exit_code = 2


class GateRefused(ClickmillError):
    """A suite refused what was written; the table is as it was before."""

    exit_code = 3


class TableHeld(ClickmillError):
    """Another run holds the table."""

    exit_code = 4


class BadData(ClickmillError):
    """The input cannot be read as declared: a corrupt file, a missing column, a broken identity of counts."""

    exit_code = 5

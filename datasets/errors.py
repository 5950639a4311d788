"""The one error that bad data raise; its message names the file (and the line)."""


class DataError(ValueError):
    """A missing, unreadable or malformed dataset file."""

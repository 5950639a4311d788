"""What a user of the tracker can do wrong; every message names the file or the option."""


class TrackerError(ValueError):
    """A bad option, configuration or input."""


class CheckpointError(TrackerError):
    """A checkpoint that cannot be read or belongs to another architecture."""

"""What a user of the tracker can do wrong; every message names the file or the option."""


class TrackerError(ValueError):
    """A bad option, configuration or input."""


class CheckpointError(TrackerError):
    """A checkpoint that cannot be read or belongs to another architecture."""


class OptionError(TrackerError):
    """A bad value of a command's option.

    Attributes:
        reason: what is wrong, for those who typed no option.
    """

    def __init__(self, option: str, value: object, reason: str) -> None:
        super().__init__(f"{option} {value}: {reason}")
        self.reason = reason

"""What a user of b2nn can do wrong; every message names the value and the remedy."""


class B2nnError(ValueError):
    """Base of all errors that a caller of b2nn can mend."""


class BudgetError(B2nnError):
    """A budget outside (0, 1] or below the floor of the network."""


class PlanError(B2nnError):
    """A plan that is malformed or was made for another network."""


class UnsupportedModule(B2nnError):
    """A module that b2nn refuses to convert, by name and with the reason."""


class PackedFileError(B2nnError):
    """A file that holds no packed network, or a damaged one."""

"""The command `b2track`; what it does is in `tracker` and `eval`."""

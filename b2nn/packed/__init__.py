"""Packed inference: binary layers on bits, by compiled kernels."""

"""Trackers in forms that run without this project: ONNX in float32 and in int8."""

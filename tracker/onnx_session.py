"""onnxruntime, set up so that measurements mean something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tracker.errors import TrackerError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

REMEDY = "pip install onnx onnxruntime (the extra `onnx`)"


def session(model: onnx.ModelProto | Path, threads: int, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    """A model ready to run on so many threads of the CPU.

    Args:
        optimized: where to leave the graph as it runs, with what was fused.

    Raises:
        TrackerError: onnxruntime is not installed, or cannot read the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise TrackerError(f"ONNX needs {error.name}; {REMEDY}") from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin between runs would slow everything else in the process, torch's own above all.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises kinds of its own for files that are none
        raise TrackerError(f"{model if isinstance(model, Path) else 'the exported graph'}: onnxruntime cannot load it "
                           f"({type(error).__name__})") from error

"""One file holds a packed network: a line of text, a header, and tensors in a plain layout.

The line is ``b2nn.packed VERSION SHA256 BYTES OF THE HEADER``; the hash is that of all that follows the hash. The
header is JSON, compressed by zlib: steps, and where each tensor lies. Tensors are little-endian and in the order of
torch; signs take one bit each, the first in the lowest bit. So a file is the same for every machine, which lays weights
out for its kernels when it loads them, and to read one runs no code of the file's.
"""

from __future__ import annotations

import collections
import hashlib
import json
import math
import os
import tempfile
import zlib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from b2nn.errors import B2nnError, PackedFileError
from b2nn.packed import functions
from b2nn.packed.network import PackedNetwork
from b2nn.packed.program import Activation, Conv, Elementwise, Pool, Program, TorchStep, Value
from b2nn.packed.validate import validated

MAGIC = b"b2nn.packed "
VERSION = 1
_LARGEST_HEADER = 64 * 2**20  # bytes; those of large networks have less than one
_CLASSES: dict[str, Any] = {kind.__name__: kind for kind in (Conv, Pool, Elementwise, TorchStep, Activation, Value)}
_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (
    torch.bool, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64)}


def is_packed(path: Path) -> bool:
    """Whether a file begins as one of ours does."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def save(path: Path | str, network: PackedNetwork) -> None:
    """Write a packed network; the file appears whole or not at all.

    Raises:
        B2nnError: a layer that torch.fx could not follow, which no file can hold; or no place to write to.
    """
    content = to_bytes(network)
    path = Path(path)
    if path.is_dir():
        raise B2nnError(f"{path}: is a folder; name a file in it")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise B2nnError(f"{path}: cannot write there ({error.strerror}); make the folder {path.parent} first, or name "
                        "another") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    """The process's, which can only be asked for by setting it; for that moment to the stricter."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def load(path: Path | str) -> PackedNetwork:
    """Read what `save` wrote.

    Raises:
        PackedFileError: missing, no such file, of another version, cut short or damaged.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise PackedFileError(f"{path}: no such file") from error
    except OSError as error:
        raise PackedFileError(f"{path}: cannot be read ({error.strerror}); name a file of b2nn.packed.save") from error
    return from_bytes(content, str(path))


def to_bytes(network: PackedNetwork) -> bytes:
    """The content of a file."""
    tensors = _Tensors()
    header = {
        "metadata": network.metadata,
        "programs": {name: {"inputs": program.inputs, "steps": [_encoded(step, tensors) for step in program.steps],
                            "output": _encoded(program.output, tensors)}
                     for name, program in network.programs.items()},
        "tensors": tensors.entries,
    }
    packed = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    hashed = f"{len(packed)}\n".encode() + packed + b"".join(tensors.chunks)
    return MAGIC + f"{VERSION} {hashlib.sha256(hashed).hexdigest()} ".encode() + hashed


def from_bytes(content: bytes, name: str = "packed network") -> PackedNetwork:
    """The network of a file's content; `name` is the file's, for messages. Raises as `load`."""
    line, _, body = content.partition(b"\n")
    parts = line.split(b" ")
    if not content.startswith(MAGIC) or len(parts) != 4 or not parts[3].isdigit():
        raise PackedFileError(f"{name}: not a packed network; make one with b2nn.packed.save")
    if parts[1] != str(VERSION).encode():
        raise PackedFileError(f"{name}: packed by version {parts[1].decode(errors='replace')} of the format, this "
                              f"program reads version {VERSION}; pack it again")
    if hashlib.sha256(parts[3] + b"\n" + body).hexdigest().encode() != parts[2]:
        raise PackedFileError(f"{name}: damaged or cut short (its checksum is another); copy or pack it again")
    try:
        size = int(parts[3])
        header, data = json.loads(_decompressed(body[:size])), body[size:]
        tensors = [_tensor(entry[0], entry[1], entry[2], data) for entry in header["tensors"]]
        programs = {method: validated(Program(
            tuple(map(str, program["inputs"])), tuple(_decoded(step, tensors) for step in program["steps"]),
            _decoded(program["output"], tensors))) for method, program in header["programs"].items()}
        return PackedNetwork(programs, header["metadata"])
    except B2nnError as error:
        raise PackedFileError(f"{name}: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RuntimeError, MemoryError,
            zlib.error) as error:  # RuntimeError: too deeply nested, or of torch
        raise PackedFileError(f"{name}: holds no packed network ({type(error).__name__}: {error})") from error


def _decompressed(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    header = unpacker.decompress(packed, _LARGEST_HEADER)
    if not unpacker.eof:
        raise ValueError("a header that is cut short or larger than any network's")
    return header


class _Tensors:
    """Tensors of a file, each content once."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, list[int], int]] = []
        self.chunks: list[bytes] = []
        self.known: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self.offset = 0

    def index(self, tensor: Tensor) -> int:
        dtype, shape = str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)
        if dtype not in _DTYPES:
            raise B2nnError(f"a packed file holds no tensors of {tensor.dtype}")
        flat = tensor.detach().cpu().contiguous().flatten()
        array = flat.view(torch.int16).numpy() if tensor.dtype == torch.bfloat16 else flat.numpy()
        if tensor.dtype == torch.bool:
            array = np.packbits(array, bitorder="little")
        content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        key = dtype, shape, hashlib.sha256(content).digest()
        if key not in self.known:
            self.known[key] = len(self.entries)
            self.entries.append((dtype, list(shape), self.offset))
            self.chunks.append(content)
            self.offset += len(content)
        return self.known[key]


def _tensor(dtype: str, shape: list[int], offset: int, data: bytes) -> Tensor:
    kind = _DTYPES[dtype]
    if not all(type(number) is int and 0 <= number <= 8 * len(data) for number in (*shape, offset)):
        raise ValueError(f"a tensor of shape {shape} at {offset}")
    count = math.prod(shape)
    if count == 0:
        return torch.empty(shape, dtype=kind)
    if kind == torch.bool:
        packed = np.frombuffer(data, np.uint8, (count + 7) // 8, offset)
        return torch.from_numpy(np.unpackbits(packed, count=count, bitorder="little").astype(bool)).reshape(shape)
    stored = torch.int16 if kind == torch.bfloat16 else kind
    array = np.frombuffer(data, torch.empty((), dtype=stored).numpy().dtype.newbyteorder("<"), count, offset)
    tensor = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=True))
    return (tensor.view(kind) if kind == torch.bfloat16 else tensor).reshape(shape)


def _encoded(item: Any, tensors: _Tensors) -> Any:
    """What JSON can hold of nested arguments and steps. What is no plain constant is a dict of one key."""
    if isinstance(item, Tensor):
        return {"tensor": tensors.index(item)}
    if type(item).__name__ in _CLASSES and type(item) is _CLASSES[type(item).__name__]:
        if isinstance(item, TorchStep) and not item.name:
            raise B2nnError(f"layer {item.layer!r} ({type(item.function).__name__}) runs in torch as it is and has no "
                            "form in a file; write it so that torch.fx can follow it, or keep the network in memory")
        given = {entry.name: getattr(item, entry.name) for entry in fields(item) if entry.name != "function"}
        defaults = {entry.name: entry.default for entry in fields(item) if entry.default is not MISSING}
        return {type(item).__name__: {
            name: _encoded(value, tensors) for name, value in given.items()
            if isinstance(value, Tensor) or name not in defaults or value != defaults[name]}}
    if isinstance(item, slice):
        return {"slice": [_encoded(part, tensors) for part in (item.start, item.stop, item.step)]}
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return {"named": [type(item).__name__, list(item._fields), [_encoded(part, tensors) for part in item]]}
    if isinstance(item, tuple):
        return {"tuple": [_encoded(part, tensors) for part in item]}
    if isinstance(item, list):
        return [_encoded(part, tensors) for part in item]
    if isinstance(item, dict):
        return {"dict": {key: _encoded(part, tensors) for key, part in item.items()}}
    if isinstance(item, torch.dtype | torch.device):
        return {type(item).__name__: str(item).removeprefix("torch.")}
    if item is Ellipsis:
        return {"ellipsis": None}
    if item is None or isinstance(item, bool | int | float | str):
        return item
    raise B2nnError(f"a packed file cannot hold {item!r}, of type {type(item).__name__}")


def _decoded(item: Any, tensors: list[Tensor]) -> Any:
    if isinstance(item, list):
        return [_decoded(part, tensors) for part in item]
    if not isinstance(item, dict):
        return item
    (kind, content), = item.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decoded(part, tensors) for key, part in content.items()}
    if kind == "tuple":
        return tuple(_decoded(part, tensors) for part in content)
    if kind == "slice":
        return slice(*(_decoded(part, tensors) for part in content))
    if kind == "named":
        name, names, parts = content
        return collections.namedtuple(name, names)(*(_decoded(part, tensors) for part in parts))
    if kind == "dtype":
        return _DTYPES[content]
    if kind == "device":
        return torch.device("cpu")
    if kind == "ellipsis":
        return Ellipsis
    made = {key: _decoded(part, tensors) for key, part in content.items()}
    if kind == "TorchStep":
        made["function"] = functions.of_file(made["name"], made.get("kwargs", {}))
    return _CLASSES[kind](**made)

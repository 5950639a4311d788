"""The packed network: programs by the names of the methods that they stand for."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from b2nn.errors import B2nnError
from b2nn.packed import reference
from b2nn.packed.key import key_of, without_shapes
from b2nn.packed.layouts import Layouts
from b2nn.packed.library import library
from b2nn.packed.listing import PackedStep, listed, summary
from b2nn.packed.prepared import Prepared
from b2nn.packed.program import Program
from b2nn.packed.results import callers, constants

_SIZES = 8  # input sizes for which maps are kept in memory
_FLOATS = (torch.float64, torch.float16, torch.bfloat16)
_NO_GRAPH = "a packed network runs on memory of its own and is no part of a graph"


def _between_graphs(function: Any) -> Any:
    """A function that torch.compile calls as it is: `torch.compiler.disable`, without loading the compiler for it."""
    function._torchdynamo_disable, function._torchdynamo_disable_msg = True, _NO_GRAPH
    return function


class PackedNetwork(nn.Module):
    """For inference only, on the CPU. Packed methods are called by their names: `packed.features(x)`, `packed(x)`.

    The first call with inputs of a new size makes maps for it, which later calls use again; so calls from several
    threads wait for one another, and a thread that is not to wait takes a `twin`. It runs on `torch.get_num_threads()`
    threads. There is no gradient: what it returns are ordinary tensors, constants to autograd.

    Attributes:
        programs: by method.
        metadata: whatever JSON can hold; `b2nn.packed.save` keeps it in the file.
    """

    def __init__(self, programs: Mapping[str, Program], metadata: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.programs, self.metadata = dict(programs), metadata or {}
        self._begin()

    def _begin(self) -> None:
        self._prepared: dict[Any, Prepared] = {}
        self._layouts: Layouts | None = None
        self._free = {method: without_shapes(program) for method, program in self.programs.items()}
        self._lock = threading.Lock()

    @_between_graphs
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run("forward", *args, **kwargs)

    @_between_graphs
    def run(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """What the model's `method` returns for these arguments.

        Args:
            args, kwargs: tensors on the CPU, float32 or whole numbers, and plain constants.

        Raises:
            B2nnError: no such method, other arguments than it takes, an input that requires a gradient, or torch
                is recording a graph (export, jit, vmap) and gives no numbers.
        """
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active():
            raise B2nnError(f"{_NO_GRAPH} (torch.export, torch.jit.trace, torch.func); call it outside of them, or "
                            "export the model that it was packed from")
        args = self.arguments(method, args, kwargs)
        # Ordinary tensors even where the caller is in inference mode: maps live on to calls that are not.
        with self._lock, torch.inference_mode(False), torch.no_grad():
            return self._run(method, self.programs[method], args)

    def arguments(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call in their order; raises as `run`."""
        if method not in self.programs:
            raise B2nnError(f"the packed network has no method {method!r}, only {', '.join(self.programs)}; name it in "
                            "pack(model, methods=...)")
        names = self.programs[method].inputs
        if kwargs or len(args) != len(names):
            args = _arranged(method, names, args, kwargs)
        for name, arg in zip(names, args, strict=True):
            _check(name, arg)
        return args

    def _run(self, method: str, program: Program, args: tuple[Any, ...]) -> Any:
        found = library()
        if found is None:
            return callers(reference.run(program, args), constants(program))
        if self._layouts is None or self._layouts.level != found.level:
            self._prepared, self._layouts = {}, Layouts(found)
        key = method, *key_of(program, args, self._free[method])
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) == _SIZES:
                del self._prepared[next(iter(self._prepared))]
            prepared = self._prepared[key] = Prepared(program, args, self._layouts)
        return prepared(args)

    def twin(self) -> PackedNetwork:
        """The same weights with maps of its own, for another thread."""
        return PackedNetwork(self.programs, self.metadata)

    def steps(self) -> list[PackedStep]:
        """What runs packed and what in torch, step by step; after a call as it ran at the last new size."""
        ran = {key[0]: prepared for key, prepared in self._prepared.items()}
        return listed(self.programs, ran)

    def extra_repr(self) -> str:
        return summary(self.steps(), self.programs)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("programs", ()):
            return partial(self.run, name)
        return super().__getattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        # Copies make maps and layouts of their own.
        own = "_prepared", "_layouts", "_free", "_lock"
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._begin()


def _arranged(method: str, names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments in their order."""
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or given.keys() & kwargs or {*given, *kwargs} != set(names):
        passed = ", ".join([f"{len(args)} by position", *kwargs])
        raise B2nnError(f"{method} takes ({', '.join(names)}), each once, and got {passed}; arguments with defaults "
                        "kept them when the model was packed")
    return tuple({**given, **kwargs}[name] for name in names)


def _check(name: str, arg: Any) -> None:
    if isinstance(arg, Tensor):
        if arg.dtype in _FLOATS:
            raise B2nnError(f"input {name!r} is {arg.dtype}; a packed network takes float32: call .float() on it")
        if arg.device.type != "cpu":
            raise B2nnError(f"input {name!r} is on {arg.device}; a packed network runs on the CPU: call .cpu() on it")
        if arg.requires_grad and torch.is_grad_enabled():
            raise B2nnError(f"input {name!r} requires a gradient, and a packed network has none; call it under "
                            "torch.no_grad(), or with .detach()")
    elif isinstance(arg, list | dict | set) or (isinstance(arg, tuple) and any(isinstance(x, Tensor) for x in arg)):
        raise B2nnError(f"input {name!r} is a {type(arg).__name__}; pass its tensors as arguments of their own")
    elif not isinstance(arg, Hashable):
        raise B2nnError(f"input {name!r} is a {type(arg).__name__}; a packed network takes tensors and plain "
                        "constants: call torch.from_numpy on an array")

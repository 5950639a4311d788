"""Partly binary networks for inference: bits stay bits, and what follows a layer is folded into it.

    from b2nn.packed import load, pack, save

    packed = pack(model)
    packed(images)
    save("network.packed", packed)
"""

from b2nn.packed.file import load, save
from b2nn.packed.network import PackedNetwork
from b2nn.packed.pack import pack

__all__ = ["PackedNetwork", "load", "pack", "save"]

"""Activations under no, partial and full binarization: each has its own full-precision tracker."""

title = "Activations"
question = """
BinReLU was proposed for partly binary networks. Is it better than ReLU, PReLU and RPReLU, and where? Each activation
has a full-precision tracker of its own, trained shorter than that of the other studies, and is compared with PReLU.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 700, "fp.iterations": 300, "search.iterations": 200, "finetune.iterations": 300,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
budgets = (0.3,)
_names = ("prelu", "relu", "rprelu", "binrelu")
bases = {name: {"model.backbone.activation": name} for name in _names}
variants = [dict(name=f"{what}, {name}", method=method, base=name, rival=f"{what}, prelu")
            for what, method in (("full precision", "fp"), ("mixbin", "mixbin"), ("all binary", "bnn"))
            for name in _names]

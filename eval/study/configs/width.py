"""Spending on width what bits save: a wider network that must be more binary, at equal counted FLOPs."""

title = "Spending the saving on width"
question = """
A fully binary layer costs next to nothing, so the same FLOPs buy a wider network with fewer layers in full precision.
Is that the better use of a budget? Both widths have a full-precision tracker of their own, and MixBin chooses between
them; the budget is a share of the narrow one's FLOPs.
"""
config = "nano"
overrides = {
    "runtime.compile": True, "fp.mimic.iterations": 3000, "fp.iterations": 1000,
    "search.iterations": 300, "finetune.iterations": 1500,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
budgets = (0.18,)
rival = "width .5"
variants = [
    dict(name="full precision, width .5", method="fp"),
    dict(name="width .5", method="mixbin"),
    dict(name="width .5 or .75", method="mixbin", widths=(0.5, 0.75)),
]

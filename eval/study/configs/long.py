"""The ways that matter most, finetuned for as long as the preset says."""

title = "Finetuned for as long as the preset says"
question = """
How close do partly and wholly binary networks come to full precision, and what is left of the differences, when
finetuning is not cut short (1,500 iterations)? One seed: data order, search and random plan. MixBin decides
about four parts of each layer, the preset's default, all others and a row of its own about whole layers.
"""
config = "nano"
overrides = {
    "runtime.compile": True, "fp.mimic.iterations": 3000, "fp.iterations": 1000,
    "search.iterations": 300, "search.granularity": 1,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
budgets = (0.15, 0.3)
rival = "random"
variants = [
    dict(name="full precision", method="fp"),
    dict(name="mixbin", method="mixbin", overrides={"search.granularity": 4}),
    dict(name="mixbin, whole layers", method="mixbin"),
    dict(name="all binary", method="bnn"),
    dict(name="random", method="random"),
    dict(name="pruned", method="pruned"),
]

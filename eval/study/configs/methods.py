"""Which layers deserve full precision: the ways to choose them, at equal counted FLOPs."""

title = "Ways to choose the layers, at equal counted FLOPs"
question = """
Does it matter which layers stay in full precision, and does MixBin find them? Every variant starts from the same
full-precision tracker and is finetuned with the same data, schedule, seed, binary recipe and distillation; only the
plan differs (pruned: the shape). MixBin decides about four parts of each layer, the preset's default, all others and
a row of its own about whole layers. A seed decides the order of the data, the search and which random mix is drawn;
mixbin and random have three, the others one. Strategies that judge candidates do so on four batches, with BatchNorm
statistics of four. Iterative search trains hundreds of candidates: it gets four batches for each and one budget, or
it would take a day.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 3000, "fp.iterations": 1000, "search.iterations": 300, "finetune.iterations": 300,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
    "search.granularity": 1,
    "search.candidates.held_out_batches": 4, "search.candidates.batchnorm_batches": 4, "search.iterative.steps": 4,
}
rival = "random"
variants = [
    dict(name="full precision", method="fp"),
    dict(name="all binary", method="bnn"),
    dict(name="mixbin", method="mixbin", overrides={"search.granularity": 4}, seeds=(0, 1, 2)),
    dict(name="mixbin, whole layers", method="mixbin"),
    dict(name="random", method="random", seeds=(0, 1, 2)),
    dict(name="pruned", method="pruned"),
    dict(name="sensitivity", method="sensitivity"),
    dict(name="hessian", method="hessian"),
    dict(name="first layers", method="uniform", overrides={"search.uniform.keep": "first"}),
    dict(name="last layers", method="uniform", overrides={"search.uniform.keep": "last"}),
    dict(name="evolution", method="evolution"),
    dict(name="iterative", method="iterative", budgets=(0.3,)),
]

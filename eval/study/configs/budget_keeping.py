"""What keeps MixBin's gates to the budget while they learn: a threshold that is solved for, or a penalty."""

title = "How MixBin keeps to its budget"
question = """
MixBin's gates can be held to the budget by a threshold, solved for at every step, or pressed below it by a penalty in
the loss, as in ChipNet. Both searches start from the same full-precision tracker, are rounded by the same knapsack, and
their plans are finetuned alike; both are short.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 3000, "fp.iterations": 1000, "search.iterations": 200, "finetune.iterations": 150,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
budgets = (0.15, 0.3)
rival = "threshold"
variants = [
    dict(name="full precision", method="fp"),
    dict(name="threshold", method="mixbin", overrides={"search.mixbin.budget_by": "threshold"}),
    dict(name="penalty", method="mixbin", overrides={"search.mixbin.budget_by": "penalty"}),
]

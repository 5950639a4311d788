"""Where choosing layers should matter most: the smallest budgets, and a poorer binary recipe."""

title = "The smallest budgets, and the plain XNOR recipe"
question = """
The better the binary layers, the less it matters which ones they are. So the same comparison close to the floor (about
.06), and with XNOR-Net's recipe, at these and a larger budget.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 3000, "fp.iterations": 1000, "search.iterations": 300, "finetune.iterations": 300,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
budgets = (0.08, 0.1)
_xnor = {"finetune.recipe.scale": "xnor", "finetune.recipe.estimator": "ste"}
variants = [
    dict(name="full precision", method="fp"),
    dict(name="mixbin", method="mixbin", rival="random"),
    dict(name="random", method="random", seeds=(0, 1, 2)),
    dict(name="sensitivity", method="sensitivity", rival="random"),
    dict(name="mixbin, xnor", method="mixbin", overrides=_xnor, budgets=(*budgets, 0.15), rival="random, xnor"),
    dict(name="random, xnor", method="random", overrides=_xnor, budgets=(*budgets, 0.15), seeds=(0, 1, 2)),
]

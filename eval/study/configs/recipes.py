"""What each part of the binary recipe brings, one row each: every layer binary, where recipes matter most."""

title = "What the binary recipe brings"
question = """
Every eligible layer binary, from the same full-precision tracker, with the same data, schedule and seed; one thing
changed at a time.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 3000, "fp.iterations": 1000, "finetune.iterations": 300,
    "data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3,
}
rival = "scale mean"
variants = [
    dict(name="full precision", method="fp"),
    dict(name="scale mean", method="bnn", overrides={"finetune.recipe.scale": "mean"}),
    dict(name="scale adabin", method="bnn", overrides={"finetune.recipe.scale": "adabin"}),
    dict(name="scale learned", method="bnn", overrides={"finetune.recipe.scale": "learned"}),
    dict(name="scale none", method="bnn", overrides={"finetune.recipe.scale": "none"}),
    dict(name="scale xnor", method="bnn", overrides={"finetune.recipe.scale": "xnor"}),
    dict(name="estimator ste", method="bnn", overrides={"finetune.recipe.estimator": "ste"}),
    dict(name="estimator tanh", method="bnn", overrides={"finetune.recipe.estimator": "tanh"}),
    dict(name="estimator ede", method="bnn", overrides={"finetune.recipe.estimator": "ede"}),
    dict(name="two steps", method="bnn", overrides={"finetune.recipe.real_weights": 0.5}),
    dict(name="kurtosis", method="bnn", overrides={"finetune.recipe.kurtosis": 0.1}),
    dict(name="blocks distilled", method="bnn", overrides={"finetune.distillation.blocks": 1.0}),
    dict(name="no distillation", method="bnn", overrides={
        "finetune.distillation.cls": 0.0, "finetune.distillation.box": 0.0, "finetune.distillation.features": 0.0}),
    dict(name="classes distilled alone", method="bnn", overrides={
        "finetune.distillation.box": 0.0, "finetune.distillation.features": 0.0}),
    dict(name="boxes distilled alone", method="bnn", overrides={
        "finetune.distillation.cls": 0.0, "finetune.distillation.features": 0.0}),
    dict(name="features distilled alone", method="bnn", overrides={
        "finetune.distillation.cls": 0.0, "finetune.distillation.box": 0.0}),
    dict(name="BatchNorm not re-estimated", method="bnn", overrides={"finetune.batchnorm_batches": 0}),
    dict(name="decay of latent weights", method="bnn", overrides={"finetune.latent_decay": 1e-4}),  # as of real ones
    dict(name="weights not averaged", method="bnn", overrides={"runtime.ema": 0.0}),
    dict(name="adabin, two steps", method="bnn", overrides={
        "finetune.recipe.scale": "adabin", "finetune.recipe.real_weights": 0.5}),
]

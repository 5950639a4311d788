"""A plan found on one kind of data and trained on another, against searching there."""

title = "Plans from other data"
question = """
Does a plan found on one training set serve another? One set is video (short sequences), the other still images. The
full-precision tracker is the same; search and finetuning see one set only.
"""
config = "nano"
overrides = {
    "fp.mimic.iterations": 3000, "fp.iterations": 1000, "search.iterations": 300, "finetune.iterations": 300,
}
# The base sees everything, and its weights win over the study's: variants name them all.
bases = {"base": {"data.weights.lasot": 0.3, "data.weights.images": 1.2, "data.weights.synthetic": 0.3}}
_video = {"data.weights.got10k": 1.0, "data.weights.lasot": 0.3, "data.weights.images": 0.0,
          "data.weights.synthetic": 0.0}
_images = {"data.weights.got10k": 0.0, "data.weights.lasot": 0.0, "data.weights.images": 1.0,
           "data.weights.synthetic": 0.0}
budgets = (0.3,)
variants = [
    dict(name="full precision", method="fp"),
    dict(name="mixbin, video", overrides=_video, rival="random, video"),
    dict(name="mixbin, images", overrides=_images, rival="random, images"),
    dict(name="plan of images, video", overrides=_video, plan_of="mixbin, images", rival="mixbin, video"),
    dict(name="plan of video, images", overrides=_images, plan_of="mixbin, video", rival="mixbin, images"),
    dict(name="random, video", method="random", overrides=_video),
    dict(name="random, images", method="random", overrides=_images),
]

"""Half-width ResNet-18 at stride 16 under NanoTrack 2's head: that tracker can teach it, 0.5 GMAC a frame."""

model = dict(
    type="nanotrack",
    version=2,
    backbone=dict(width=0.5, stride=16, stem="light", shortcut="conv", activation="prelu"),
    full_precision={
        "backbone.reduce.conv": "grouped conv of the stem: too small to matter",
        "backbone.layer*.downsample.0": "1x1 shortcut: carries the real-valued signal past binary convs",
        "neck.0": "its features are correlated",
    },
)
data = dict(
    batch_size=24,
    workers=1,
    weights=dict(got10k=1.0, lasot=1.0, images=1.0, synthetic=1.0),  # how often a pair comes from which source
    pairs=dict(),
)
# Where no teacher is named, fp trains from scratch and needs about 4000 iterations.
fp = dict(iterations=1000, lr=5e-4, weight_decay=1e-4, distillation=dict(),
          mimic=dict(iterations=3000, lr=2e-3, weight_decay=1e-4,
                     # No boxes are learned here, so crops may roam: features are wanted of everything.
                     pairs=dict(anywhere=0.4, template_view=dict(scale=0.2, rotation=0.15),
                                search_view=dict(shift=76, scale=0.5, rotation=0.15))))
search = dict(iterations=400, lr=1e-3, weight_decay=0.0, distillation=dict(), mixbin=dict(),
              granularity=4)  # whole layers of the backbone are too large to fill a small budget with
# Bits need larger steps than real kernels stand.
finetune = dict(iterations=1500, lr=5e-3, kernel_lr=1e-3, weight_decay=1e-4, distillation=dict(),
                recipe=dict(scale="adabin"))
runtime = dict(precision="bfloat16", ema=0.998, checkpoint_interval=100, log_interval=20, threads=None, compile=False)
tracking = dict(window_influence=0.490, penalty_k=0.150, size_lr=0.385)

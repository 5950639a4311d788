"""Half-width ResNet-18 at stride 16: a tracker that a CPU can train and run live, 0.47 GMAC a frame."""

model = dict(
    type="siamese",
    backbone=dict(width=0.5, stride=16, stem="light", shortcut="conv", activation="prelu"),
    neck_channels=64,
    template_cells=5,
    head=dict(channels=64, depth=2, activation="prelu"),
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
fp = dict(iterations=4000, lr=2e-3, weight_decay=1e-4, distillation=None)
search = dict(iterations=400, lr=2e-4, weight_decay=0.0, distillation=dict(), mixbin=dict())
finetune = dict(iterations=1500, lr=1e-3, weight_decay=1e-4, distillation=dict())
runtime = dict(precision="bfloat16", ema=0.998, checkpoint_interval=100, log_interval=20, threads=None, compile=False)
tracking = dict()

"""Quarter-width ResNet-18 at stride 16: trained, searched and compared on two CPU cores within minutes."""

model = dict(
    type="siamese",
    backbone=dict(width=0.25, stride=16, stem="light", shortcut="conv", activation="prelu"),
    neck_channels=48,
    template_cells=5,
    head=dict(channels=48, depth=2, activation="prelu"),
    full_precision={
        "backbone.reduce.conv": "grouped conv of the stem: too small to matter",
        "backbone.layer*.downsample.0": "1x1 shortcut: carries the real-valued signal past binary convs",
        "neck.0": "its features are correlated",
    },
)
data = dict(
    batch_size=12,
    workers=1,
    weights=dict(got10k=1.0, lasot=1.0, images=1.0, synthetic=1.0),  # how often a pair comes from which source
    pairs=dict(),
)
fp = dict(iterations=1150, lr=3e-3, weight_decay=1e-4, distillation=None)
search = dict(iterations=120, lr=3e-4, weight_decay=0.0, distillation=dict(), mixbin=dict())
# Bits need larger steps than real weights.
finetune = dict(iterations=200, lr=5e-3, kernel_lr=1.5e-3, weight_decay=1e-4, distillation=dict(),
                recipe=dict(scale="adabin"))
runtime = dict(precision="bfloat16", ema=0.99, checkpoint_interval=50, log_interval=10, threads=None, compile=False)
tracking = dict()

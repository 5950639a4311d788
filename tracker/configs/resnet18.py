"""ResNet-18 at full width and stride 8, with torchvision's stem and names: for a GPU and `--pretrained`."""

model = dict(
    type="siamese",
    backbone=dict(width=1.0, stride=8, stem="resnet", shortcut="block", activation="relu"),
    neck_channels=256,
    template_cells=7,
    head=dict(channels=256, depth=3, activation="relu"),
    full_precision={
        "backbone.layer*.downsample.0": "1x1 shortcut: carries the real-valued signal past binary convs",
        "neck.0": "its features are correlated",
    },
)
data = dict(
    batch_size=32,
    workers=4,
    weights=dict(got10k=1.0, lasot=1.0, images=1.0, synthetic=1.0),  # how often a pair comes from which source
    pairs=dict(),
)
fp = dict(iterations=100_000, lr=1e-3, weight_decay=1e-4, distillation=None)
search = dict(iterations=10_000, lr=1e-4, weight_decay=0.0, distillation=dict(), mixbin=dict())
finetune = dict(iterations=50_000, lr=5e-4, weight_decay=1e-4, distillation=dict())
runtime = dict(precision="bfloat16", ema=0.9998, checkpoint_interval=1000, log_interval=50, threads=None, compile=False)
tracking = dict()

"""SiamFC (arXiv 1606.09549): AlexNet and plain cross-correlation, with the keys of siamfc-pytorch."""

model = dict(type="siamfc", full_precision={})
data = dict(
    batch_size=8,
    workers=2,
    weights=dict(got10k=1.0, lasot=1.0, images=1.0, synthetic=1.0),  # how often a pair comes from which source
    pairs=dict(),
)
fp = dict(iterations=50_000, lr=1e-3, weight_decay=5e-4, distillation=None)
search = dict(iterations=5_000, lr=1e-4, weight_decay=0.0, distillation=dict(), mixbin=dict())
finetune = dict(iterations=25_000, lr=5e-4, weight_decay=5e-4, distillation=dict())
runtime = dict(precision="bfloat16", ema=0.999, checkpoint_interval=500, log_interval=50, threads=None, compile=False)
tracking = dict()

"""Train a tracker to a budget, or to several, with its baselines.

    b2track train --budget 0.3
    b2track train --budget 0.15 0.3 0.5 --baselines
    b2track train --budget 0.3 --width 0.25 0.375 0.5
    b2track train --budget 0.3 --baselines --config small --got10k ROOT --lasot ROOT
    torchrun --nproc-per-node 2 -m b2track train --budget 0.3
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from b2nn.search import STRATEGIES
from tracker.cli import Parser


def parse() -> argparse.Namespace:
    parser = Parser(__doc__)
    parser.add_argument("--budget", type=float, nargs="+", metavar="SHARE",
                        help="cost as a share of full precision, in (0, 1]; every method is trained at each "
                             "of several, from one full-precision training")
    parser.add_argument("--budget-metric", choices=("flops", "memory", "latency"), default="flops",
                        help="what the budget is a share of: counted FLOPs, bytes of the parameters, or the time of a "
                             "frame, measured layer by layer on this machine (default: flops)")
    parser.add_argument("--latency-precision", choices=("float32", "bf16", "int8"), default="float32",
                        help="latency: what layers in full precision will run in: float32 in torch, or bf16 or int8 "
                             "packed (default: float32)")
    parser.add_argument("--method", choices=(*STRATEGIES, "pruned", "bnn", "fp"), default="mixbin",
                        help="how the budget is kept: by a search strategy, or pruned; bnn: every eligible unit "
                             "binary; fp: no budget (default: mixbin)")
    parser.add_argument("--baselines", action="store_true",
                        help="also train random and pruned at the same budgets, seed, data and schedule")
    parser.add_argument("--config", default="demo", metavar="NAME|FILE",
                        help="preset (demo, small, nano, resnet18, siamfc) or a .py file (default: demo)")
    parser.add_argument("--got10k", type=Path, metavar="ROOT", help="folder of GOT-10k, holding train/")
    parser.add_argument("--lasot", type=Path, metavar="ROOT", help="folder of LaSOT, holding CLASS/CLASS-N/")
    parser.add_argument("--images", type=Path, metavar="JSON", help="COCO-style annotations of still images")
    parser.add_argument("--synthetic", action="store_true", help="add the embedded generated set to them (without "
                        "any dataset it is used anyway); data.weights sets the shares")
    parser.add_argument("--objects", type=Path, metavar="ROOT",
                        help="images SEQ/NAME.jpg (GOT-10k's train/ will do): their objects are pasted into pairs")
    parser.add_argument("--masks", type=Path, metavar="ROOT", help="their masks SEQ/NAME.png, 0 or 255")
    parser.add_argument("--lmdb", type=Path, metavar="DIR",
                        help="where the caches are, or are made (default: work_dirs/data/lmdb)")
    parser.add_argument("--work-dir", type=Path, help="for the runs (default: work_dirs/NAME of the configuration)")
    parser.add_argument("--plan", type=Path, metavar="JSON", help="use this plan instead of searching")
    parser.add_argument("--full-precision", type=Path, metavar="RUN",
                        help="start from this finished full-precision run, or its checkpoint.pth, instead of training "
                             "one")
    parser.add_argument("--width", type=float, nargs="+", metavar="FACTOR",
                        help="search the backbone's width along with the plan: the best of these values of "
                             "model.backbone.width, all at the cost of the configuration's own at --budget (not for "
                             "pruned, fp)")
    parser.add_argument("--pretrained", type=Path, metavar="FILE",
                        help="start from torchvision's ResNet-18 weights or from a tracker checkpoint")
    parser.add_argument("--teacher", choices=("nanotrack_v2", "nanotrack_v3"),
                        help="a published tracker teaches the full-precision one (preset nano)")
    parser.add_argument("--teacher-weights", type=Path, metavar="FILE", help="the teacher's checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on with unfinished runs in the work dir")
    parser.add_argument("--seed", type=int, default=0, help="of weights, data order and search (default: 0)")
    parser.add_argument("--device", default=None, help="cpu, cuda or cuda:N (default: cuda where there is one)")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE",
                        help="override fields of the configuration, such as fp.iterations=200")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if arguments.device and arguments.device.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # mmengine takes a GPU wherever it sees one
    from tracker.training.command import train_from_options

    train_from_options(**vars(arguments))

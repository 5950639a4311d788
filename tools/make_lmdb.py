"""Cache datasets for training, one LMDB folder a dataset. After a kill the same command goes on.

    python tools/make_lmdb.py --got10k ROOT --lasot ROOT --images ANNOTATIONS.json --out DIR
    python tools/make_lmdb.py --out DIR --verify
"""

from __future__ import annotations

from pathlib import Path

from tracker.cli import Parser, run


def main() -> int:
    parser = Parser(__doc__)
    parser.add_argument("--got10k", type=Path, metavar="ROOT", help="GOT-10k folder, with train/ and val/")
    parser.add_argument("--lasot", type=Path, metavar="ROOT", help="LaSOT folder, with training_set.txt")
    parser.add_argument("--images", type=Path, metavar="JSON", help="still images with boxes, COCO style")
    parser.add_argument("--synthetic", type=Path, metavar="ROOT", help="folder made by datasets.synthetic")
    parser.add_argument("--objects", type=Path, metavar="ROOT", help="images SEQ/NAME.jpg to cut objects from")
    parser.add_argument("--masks", type=Path, metavar="ROOT", help="their masks SEQ/NAME.png, 0 or 255")
    parser.add_argument("--out", type=Path, required=True, help="folder of the caches")
    parser.add_argument("--split", choices=("train", "val"), default="train", help="default: %(default)s")
    parser.add_argument("--full-frames", action="store_true", help="store whole frames, not target crops")
    parser.add_argument("--workers", type=int, metavar="N", help="threads; default: one a core")
    parser.add_argument("--verify", action="store_true", help="check all caches under --out afterwards")
    arguments = parser.parse_args()

    from datasets.cached_crops import CacheOptions
    from datasets.errors import DataError
    from datasets.progress import progress_bars
    from datasets.sources import make_caches, make_objects, verify_caches

    kinds = ("got10k", "lasot", "images", "synthetic")
    datasets = {kind: path for kind in kinds if (path := getattr(arguments, kind)) is not None}
    if (arguments.objects is None) != (arguments.masks is None):
        raise DataError("objects are cut from images by masks: give --objects and --masks together")
    if not datasets and not arguments.objects and not arguments.verify:
        raise DataError("nothing to cache; give --got10k, --lasot, --images, --synthetic or --objects")
    if arguments.workers is not None and arguments.workers < 1:
        raise DataError(f"--workers {arguments.workers} is not possible; give 1 or more")
    options = CacheOptions(mode="frame" if arguments.full_frames else "crop")
    with progress_bars() as progress:
        caches = make_caches(arguments.out, datasets, arguments.split, options, arguments.workers, progress)
        if arguments.objects:
            caches.append(make_objects(arguments.out, arguments.objects, arguments.masks, arguments.workers, progress))
        if arguments.verify:
            verify_caches(arguments.out, progress)
    for cache in caches:
        print(f"{cache.folder}: {len(cache)} sequences, {sum(map(cache.frame_count, cache.names))} frames")
    return 0


if __name__ == "__main__":
    run(main)

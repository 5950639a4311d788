"""Generated tracking sequences in the layout of GOT-10k: the data that everything runs on without a download.

``python -m datasets.synthetic --out DIR`` writes them. A seed fixes every byte. Boxes surround the target's
whole silhouette, what hides it ignored, clipped to the frame; ``cover.label`` is the visible share of the
silhouette in eighths (0 .. 8), ``absence.label`` is 1 where that rounds to 0, hidden or out of view; there
the last box is repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from datasets.errors import DataError
from datasets.files import write_text
from datasets.opencv import cv2
from datasets.progress import Progress, progress_bars, silent
from datasets.synthetic_media import Media, find_media
from datasets.synthetic_scene import render
from datasets.synthetic_script import Difficulty, draw_scene

# Raised whenever the same options would give other pictures.
GENERATOR = "b2track.synthetic/1"
MARKER = "synthetic.json"
SPLITS = ("train", "val")


@dataclass(frozen=True)
class SyntheticOptions:
    """What is generated.

    Attributes:
        train_sequences: number of sequences under ``train/``.
        val_sequences: number of sequences under ``val/``.
        train_frames: frames of each.
        val_frames: frames of each.
        size: width and height of the frames, pixels.
        seed: fixes every byte.
        difficulty: how hard sequences are.
        objects: root of real images ``SEQ/NAME.jpg`` to cut targets from; drawn targets without it.
        masks: root of their masks ``SEQ/NAME.png``, 0 or 255.
        backgrounds: folder of real images to use as surroundings; drawn ones without it.
    """

    train_sequences: int = 40
    val_sequences: int = 10
    train_frames: int = 40
    val_frames: int = 60
    size: tuple[int, int] = (320, 240)
    seed: int = 0
    difficulty: Difficulty = field(default_factory=Difficulty)
    objects: str | None = None
    masks: str | None = None
    backgrounds: str | None = None

    def __post_init__(self) -> None:
        least = {"train_sequences": 0, "val_sequences": 0, "train_frames": 2, "val_frames": 2, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise DataError(f"{name} {getattr(self, name)} is too small; give {bound} or more")
        if min(self.size) < 64:
            raise DataError(f"size {self.size[0]} x {self.size[1]} is too small; give 64 x 64 or more")


def default_root() -> Path:
    """Where the embedded set lies, relative to the working folder."""
    return Path("work_dirs/data/synthetic")


def ensure(root: str | Path, options: SyntheticOptions | None = None, progress: Progress = silent) -> Path:
    """Return `root` with a complete set in it; a generated set of other options is replaced.

    Raises:
        DataError: `root` holds something that this module did not generate.
    """
    root, options = Path(root), options or SyntheticOptions()
    found = _marker(root)
    if found == _content(options, complete=True):
        return root
    if found and found | {"complete": False} != _content(options, complete=False):
        for split in SPLITS:
            shutil.rmtree(root / split, ignore_errors=True)
        (root / MARKER).unlink()
    generate(root, options, progress)
    return root


def recipe(root: str | Path) -> str:
    """Generator and options of the set under `root` as text, equal for equal pictures; empty where it is unknown.

    Raises:
        DataError: the note of them is damaged.
    """
    found = _marker(Path(root)) or {}
    return json.dumps({key: found[key] for key in ("generator", "options")}, sort_keys=True) if found else ""


def generate(root: str | Path, options: SyntheticOptions, progress: Progress = silent) -> None:
    """Generate a set under `root`, or the rest of one that was interrupted.

    Raises:
        DataError: `root` holds other files or a set of other options.
    """
    root = Path(root)
    media = find_media(options.objects, options.masks, options.backgrounds)
    found = _marker(root)
    if found is None and root.exists() and any(root.iterdir()):
        raise DataError(f"{root}: not empty and no generated set; choose another folder")
    if found and found | {"complete": False} != _content(options, complete=False):
        raise DataError(f"{root}: generated set of other options; delete it or choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    write_text(root / MARKER, json.dumps(_content(options, complete=False), indent=1))
    jobs = _jobs(root, options)
    # Threads do: nearly all the time is spent inside OpenCV, which lets others run.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        written = pool.map(lambda job: _write_sequence(job, options, media), jobs)
        for done, _ in enumerate(written, start=1):
            progress("generating sequences", done, len(jobs))
    for split in SPLITS:
        names = [folder.name for folder, _, _ in jobs if folder.parent.name == split]
        (root / split).mkdir(exist_ok=True)
        write_text(root / split / "list.txt", "".join(f"{name}\n" for name in names))
    write_text(root / MARKER, json.dumps(_content(options, complete=True), indent=1))


def _content(options: SyntheticOptions, complete: bool) -> dict:
    values = {"generator": GENERATOR, "options": asdict(options), "complete": complete}
    return json.loads(json.dumps(values))  # as it reads back: tuples become lists


def _marker(root: Path) -> dict | None:
    """What an earlier run noted; None where there was none."""
    try:
        return json.loads((root / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{root / MARKER}: damaged ({error}); delete {root}") from error


def _jobs(root: Path, options: SyntheticOptions) -> list[tuple[Path, int, list[int]]]:
    """Folder, number of frames and seed of every sequence."""
    counts = ((options.train_sequences, options.train_frames), (options.val_sequences, options.val_frames))
    return [(root / split / f"synthetic_{split}_{number:06d}", frames, [options.seed, place, number])
            for place, (split, (count, frames)) in enumerate(zip(SPLITS, counts, strict=True))
            for number in range(1, count + 1)]


def _write_sequence(job: tuple[Path, int, list[int]], options: SyntheticOptions, media: Media) -> None:
    """Write one sequence to a temporary folder and rename it, unless an earlier run did."""
    folder, frames, seed = job
    if folder.is_dir():
        return
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, frames, options.size, options.difficulty, media)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 93))]
    shots = []
    for index, shot in enumerate(render(rng, scene), start=1):
        (temporary / f"{index:08d}.jpg").write_bytes(cv2.imencode(".jpg", shot.image, quality)[1].tobytes())
        shots.append((shot.box, shot.visible))
    _write_labels(temporary, shots, options.size)
    os.replace(temporary, folder)


def _write_labels(folder: Path, shots: list[tuple[np.ndarray | None, float]], size: tuple[int, int]) -> None:
    boxes: list[np.ndarray] = []
    for box, _ in shots:
        boxes.append(box if box is not None else boxes[-1])
    cover = [0 if box is None else round(8 * visible) for box, visible in shots]
    cut = [int(x <= 0 or y <= 0 or x + w >= size[0] or y + h >= size[1]) for x, y, w, h in boxes]
    columns: dict[str, list] = {
        "groundtruth.txt": [",".join(f"{value:.4f}" for value in box) for box in boxes],
        "absence.label": [int(share == 0) for share in cover],
        "cover.label": cover,
        "cut_by_image.label": cut,
    }
    for name, rows in columns.items():
        (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def main() -> int:
    """Command line of ``python -m datasets.synthetic``."""
    defaults = SyntheticOptions()
    parser = argparse.ArgumentParser(prog="python -m datasets.synthetic",
                                     description="Generate tracking sequences in the layout of GOT-10k.")
    parser.add_argument("--out", type=Path, default=default_root(), help="folder to fill (%(default)s)")
    for name in ("train_sequences", "val_sequences", "train_frames", "val_frames", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name),
                            help="default: %(default)s")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), default=defaults.size,
                        help="of the frames, pixels")
    parser.add_argument("--objects", help="real images SEQ/NAME.jpg to cut targets from")
    parser.add_argument("--masks", help="their masks SEQ/NAME.png, 0 or 255")
    parser.add_argument("--backgrounds", help="folder of real images to use as surroundings")
    arguments = vars(parser.parse_args())
    out, size = arguments.pop("out"), tuple(arguments.pop("size"))
    with progress_bars() as progress:
        generate(out, SyntheticOptions(**arguments, size=size), progress)
    print(out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

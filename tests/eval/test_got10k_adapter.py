"""Our trackers in `ExperimentGOT10k` on a tiny GOT-10k folder: the same boxes, the same score."""

from types import SimpleNamespace

import numpy as np
import pytest
from stand_ins import Perfect, Static, truth

from eval.scoreboard import score_results

experiments = pytest.importorskip("got10k.experiments")
adapter = pytest.importorskip("eval.got10k_adapter")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def root(tmp_path):
    """Two sequences of 5 frames as JPEG; the target of `b` is absent at the end."""
    for name, step, cover in (("a", 2, 8), ("b", 4, 0)):
        folder = tmp_path / "data/val" / name
        folder.mkdir(parents=True)
        boxes = truth(5, step)
        for number, (x, y, w, h) in enumerate(boxes.astype(int), start=1):
            frame = np.full((48, 96, 3), 20, np.uint8)
            frame[y:y + h, x:x + w] = 255
            Image.fromarray(frame).save(folder / f"{number:08d}.jpg", quality=95)
        np.savetxt(folder / "groundtruth.txt", boxes, "%.4f", delimiter=",")
        covers = [8, 8, 8, 8, cover]
        (folder / "cover.label").write_text("".join(f"{value}\n" for value in covers))
        (folder / "absence.label").write_text("".join(f"{int(value == 0)}\n" for value in covers))
        (folder / "cut_by_image.label").write_text("0\n" * 5)
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (96, 48)\n")
    (tmp_path / "data/val/list.txt").write_text("a\nb\n")
    return tmp_path


@pytest.mark.parametrize("kind", [Perfect, Static])
def test_the_experiment_runs_it_and_agrees_on_the_score(root, kind):
    experiment = experiments.ExperimentGOT10k(
        str(root / "data"), "val", result_dir=str(root / "results"), report_dir=str(root / "reports"))
    experiment.run(adapter.Got10kTracker("mine", kind()))
    theirs = experiment.report(["mine"])["mine"]["overall"]
    [row] = score_results("got10k", root / "data/val", root / "results/GOT-10k").rows
    assert row.problems == ()
    ours = row.overlap
    assert ours.ao == pytest.approx(theirs["ao"], abs=1e-12)
    assert ours.sr50 == pytest.approx(theirs["sr"], abs=1e-12)
    assert ours.success_curve == pytest.approx(np.array(theirs["succ_curve"]), abs=1e-12)
    assert (ours.ao > 0.9) == (kind is Perfect)


def test_frames_are_bgr_and_boxes_in_the_experiments_base():
    seen = []

    class Spy:
        def init(self, frame, box):
            seen.extend([frame, box])

        def update(self, frame):
            return SimpleNamespace(box=(0.5, 1, 2, 3))

    red = Image.fromarray(np.full((4, 5, 3), (255, 0, 0), np.uint8))
    one_based = adapter.Got10kTracker("spy", Spy(), origin=1)
    one_based.init(red, np.array([1, 1, 2, 2]))
    assert seen[0][0, 0].tolist() == [0, 0, 255]
    assert seen[0].shape == (4, 5, 3)
    assert seen[1].tolist() == [0, 0, 2, 2]
    assert one_based.update(red).tolist() == [1.5, 2, 2, 3]


def test_random_trackers_are_run_again():
    assert adapter.Got10kTracker("a", Static()).is_deterministic
    assert not adapter.Got10kTracker("a", Static(), deterministic=False).is_deterministic

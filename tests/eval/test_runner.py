import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import stand_ins

from datasets.errors import DataError
from eval import multi_start, results, runner
from eval.runner import Settings, TrackerSpec, checkpoint_spec, evaluate

SETTINGS = Settings(dataset="walk", origin=0, workers=2)


@pytest.fixture
def spec(tmp_path):
    def make(kind: str) -> TrackerSpec:
        checkpoint = tmp_path / f"{kind}.txt"
        checkpoint.write_text(kind)
        return checkpoint_spec(f"runs/{kind}", checkpoint, stand_ins.load)

    return make


def modified(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.txt")}


def test_every_tracker_follows_every_sequence_in_its_own_processes(spec, sequences, tmp_path):
    seen = []
    specs = [spec("perfect"), spec("static")]
    assert evaluate(specs, sequences, tmp_path / "out", SETTINGS, seen.append) == []
    assert len(seen) == 6
    for sequence in sequences:
        perfect = results.read_track(tmp_path / "out/runs/perfect", sequence, origin=0)
        assert perfect == pytest.approx(sequence.boxes)
        static = results.read_track(tmp_path / "out/runs/static", sequence, origin=0)
        assert (static == sequence.boxes[0]).all()
        assert (results.read_times(tmp_path / "out/runs/static", sequence) >= 0).all()


def test_a_second_run_tracks_only_what_is_missing(spec, sequences, tmp_path):
    out = tmp_path / "out"
    evaluate([spec("static")], sequences, out, SETTINGS)
    before = modified(out / "runs/static")
    (out / "runs/static/steady.txt").unlink()
    seen = []
    evaluate([spec("static")], sequences, out, SETTINGS, seen.append)
    after = modified(out / "runs/static")
    assert {name for name in before if after[name] != before[name]} == {"steady.txt", "steady_time.txt"}
    assert len(seen) == 3


def test_a_changed_checkpoint_is_tracked_anew(spec, sequences, tmp_path):
    out = tmp_path / "out"
    first = spec("static")
    evaluate([first], sequences[:1], out, SETTINGS)
    (out / "runs/static/multi_start").mkdir()
    Path(first.source).write_text("perfect")
    changed = checkpoint_spec("runs/static", Path(first.source), stand_ins.load)
    evaluate([changed], sequences[:1], out, SETTINGS)
    assert results.read_track(out / "runs/static", sequences[0], 0) == pytest.approx(sequences[0].boxes)
    assert not (out / "runs/static/multi_start").exists()


def test_a_checkpoint_that_changed_while_a_run_was_stopped_gets_no_result_of_the_old_one(spec, sequences, tmp_path):
    """The old one has done the first sequence only; nothing of it is left when the new one is stopped in turn."""
    out, checkpoint = tmp_path / "out", spec("static")

    def stop(done):
        raise KeyboardInterrupt

    for kind in ("static", "perfect"):
        Path(checkpoint.source).write_text(kind)
        current = checkpoint_spec("runs/static", Path(checkpoint.source), stand_ins.load)
        with pytest.raises(KeyboardInterrupt):
            evaluate([current], sequences, out, replace(SETTINGS, workers=1), stop)
    assert evaluate([current], sequences, out, SETTINGS) == []
    for sequence in sequences:
        assert results.read_track(out / "runs/static", sequence, 0) == pytest.approx(sequence.boxes)


def test_a_folder_that_another_checkpoint_has_taken_meanwhile_is_left_alone(spec, sequences, tmp_path):
    tasks = runner.all_tasks([spec("static")], sequences, SETTINGS)
    missing = runner.prepare(tasks, tmp_path / "out", SETTINGS)
    taken = checkpoint_spec("runs/static", Path(spec("perfect").source), stand_ins.load)
    runner.prepare(runner.all_tasks([taken], sequences, SETTINGS), tmp_path / "out", SETTINGS)
    failed = runner.run(tasks, missing, tmp_path / "out", SETTINGS, lambda done: None)
    assert len(failed) == 3 and "of another checkpoint" in failed[0].error
    assert not modified(tmp_path / "out/runs/static")


def test_a_failing_sequence_is_reported_and_the_rest_goes_on(spec, sequences, tmp_path):
    sequences[1].frames[2].write_bytes(b"no image")
    failed = evaluate([spec("broken")], sequences, tmp_path / "out", SETTINGS)
    assert {(done.task.sequence.name, done.error.split(":")[0]) for done in failed} == {
        ("quick", "RuntimeError"), ("steady", str(sequences[1].frames[2])),
    }
    assert modified(tmp_path / "out/runs/broken").keys() == {"slow.txt", "slow_time.txt"}


def test_boxes_that_are_no_numbers_fail(spec, sequences, tmp_path):
    failed = evaluate([spec("nan")], sequences[:1], tmp_path / "out", SETTINGS)
    assert "slow: the tracker answered" in failed[0].error


def test_a_process_that_dies_fails_its_own_sequence_and_no_other(spec, sequences, tmp_path):
    failed = evaluate([spec("dying")], sequences, tmp_path / "out", SETTINGS)
    assert {done.task.sequence.name for done in failed} == {"quick", "steady"}
    assert "its process died (exit code 1" in failed[0].error
    assert modified(tmp_path / "out/runs/dying").keys() == {"slow.txt", "slow_time.txt"}


def test_a_first_box_without_area_fails_that_sequence(spec, sequences, tmp_path):
    boxes = sequences[1].boxes.copy()
    boxes[0, 2] = 0
    sequences[1] = replace(sequences[1], boxes=boxes)
    failed = evaluate([spec("static")], sequences, tmp_path / "out", SETTINGS)
    assert [done.error for done in failed] == [
        "steady: the first box [5.0, 8.0, 0.0, 10.0] has no area; nothing to track"]


def test_many_starts_are_tracked_beside_the_one_pass_and_go_on_likewise(spec, sequences, tmp_path):
    options = multi_start.Options(every=2, length=3, least=2)
    settings, folder, seen = replace(SETTINGS, multi_start=options), tmp_path / "out/runs/perfect", []
    assert evaluate([spec("perfect")], sequences, tmp_path / "out", settings, seen.append) == []
    assert len(seen) == 6 and not any(done.kept for done in seen)
    assert multi_start.target_scores(folder, sequences, options) == pytest.approx(
        {"slow": 1, "steady": 1, "quick": 1})
    next(folder.rglob("steady.csv")).unlink()
    evaluate([spec("perfect")], sequences, tmp_path / "out", settings, seen.append)
    assert [done.task.sequence.name for done in seen[6:] if not done.kept] == ["steady"]


def test_an_interrupt_ends_the_workers_and_leaves_whole_files_only(spec, sequences, tmp_path):
    def interrupt(done):
        raise KeyboardInterrupt

    one_worker = replace(SETTINGS, workers=1)
    with pytest.raises(KeyboardInterrupt):
        evaluate([spec("static")], sequences, tmp_path / "out", one_worker, interrupt)
    for process in multiprocessing.active_children():
        process.join(10)
    assert not multiprocessing.active_children()
    folder = tmp_path / "out/runs/static"
    for sequence in sequences:
        assert results.is_done(folder, sequence, 0) or not (folder / f"{sequence.name}.txt").exists()
    assert evaluate([spec("static")], sequences, tmp_path / "out", SETTINGS) == []


def test_results_of_another_dataset_are_refused_before_tracking(spec, sequences, tmp_path):
    evaluate([spec("static")], sequences[:1], tmp_path / "out", SETTINGS)
    other = replace(SETTINGS, dataset="run")
    with pytest.raises(DataError, match="dataset walk, not run"):
        evaluate([spec("static")], sequences, tmp_path / "out", other)

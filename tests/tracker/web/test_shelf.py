"""Files for downloading: their names, and how many are kept."""

from tracker.web.shelf import KEPT_RUNS, Shelf


def recorded(shelf, source, *trackers):
    """Names of the files of a run that has ended."""
    paths = [stem.with_name(f"{stem.name}.mp4") for stem in shelf.stems(source, trackers)]
    for path in paths:
        path.write_bytes(b"video")
    shelf.add(paths)
    return [path.name for path in paths]


def test_files_are_called_after_video_and_tracker(tmp_path):
    shelf = Shelf(tmp_path)
    assert recorded(shelf, "toys/bag.avi", "ready", "demo/mixbin-0.3") == ["bag-ready.mp4", "bag-demo-mixbin-0.3.mp4"]
    assert recorded(shelf, "Camera at 10.0.0.5", "ready") == ["Camera-at-10.0.0.5-ready.mp4"]
    assert recorded(shelf, "../..", "..") == ["tracked.mp4"]


def test_no_two_files_share_a_name(tmp_path):
    shelf = Shelf(tmp_path)
    assert recorded(shelf, "bag.avi", "a/b", "a b") == ["bag-a-b.mp4", "bag-a-b-2.mp4"]
    assert recorded(shelf, "bag.mp4", "a b") == ["bag-a-b-3.mp4"]
    assert shelf.find("bag-a-b-2.mp4").read_bytes() == b"video" and shelf.find("bag-a-b") is None


def test_a_run_that_is_named_before_the_last_has_ended_has_another_name(tmp_path):
    shelf = Shelf(tmp_path)
    names = [[stem.name for stem in shelf.stems("bag.avi", trackers)] for trackers in (["ready", "fp"], ["ready"])]
    assert names == [["bag-ready", "bag-fp"], ["bag-ready-2"]]


def test_names_come_back_when_their_run_has_gone(tmp_path):
    shelf = Shelf(tmp_path)
    for number in range(KEPT_RUNS + 1):
        recorded(shelf, f"{number}.avi", "t")
    assert recorded(shelf, "0.avi", "t") == ["0-t.mp4"]


def test_the_last_runs_are_kept_the_newest_first(tmp_path):
    shelf = Shelf(tmp_path)
    for number in range(KEPT_RUNS + 2):
        recorded(shelf, f"{number}.avi", "t")
    offered = [each["name"] for each in shelf.describe("download/key")]
    assert offered == [f"{number}-t.mp4" for number in range(KEPT_RUNS + 1, 1, -1)]
    assert len(list(tmp_path.rglob("*.mp4"))) == KEPT_RUNS

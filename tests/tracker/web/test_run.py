"""Two trackers of a run get the same conditions."""

import numpy as np

from tracker.online import Result
from tracker.web.run import Run

FRAME, BOX = np.zeros((40, 60, 3), np.uint8), np.array([5.0, 5, 20, 20])


class Noting:
    """Writes down when it was called."""

    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def init(self, frame, box):
        pass

    def update(self, frame):
        self.notes.append(self.name)
        return Result(BOX, 1.0, False)


def test_who_goes_first_changes_from_frame_to_frame_and_the_order_of_results_does_not(tmp_path):
    notes = []
    run = Run({name: Noting(name, notes) for name in "ab"}, [tmp_path / "a", tmp_path / "b"], 25.0, 60.0)
    run.begin(FRAME, BOX)
    for _ in range(4):
        run.follow(FRAME)
    assert "".join(notes) == "abbaabba"
    assert [lane["name"] for lane in run.describe()] == ["a", "b"]

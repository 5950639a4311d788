"""The toolkits' steps, frame by frame in plain Python: slow, but easy to hold beside their code.

Boxes are rows x, y, w, h in the files' own base. Each rule returns (success, precision, normalised precision) curves of
one sequence. Right and bottom are written as the toolkits write them, with their -1 and +1.
"""

import math

OVERLAPS = [step / 20 for step in range(21)]
PIXELS = list(range(51))
HUNDREDTHS = [step / 100 for step in PIXELS]


def otb(result, truth):
    """calcSeqErrRobust.m and genPerfMat.m."""
    result = given(repeated(result, truth), truth)
    errors = [measured(box, true) if all(value > 0 for value in true) else (-1, -1, -1)
              for box, true in zip(result, truth, strict=True)]
    return shares(errors, len(truth))


def lasot(result, truth, absent):
    """calc_seq_err_robust.m and eval_tracker.m: absent frames are removed, the count stays."""
    result = given(repeated(result, truth), truth)
    errors = [measured(box, true) if all(value > 0 for value in true) else (-1, -1, -1)
              for box, true, gone in zip(result, truth, absent, strict=True) if not gone]
    return shares(errors, len(truth))


def pysot(result, truth, absent):
    """ope_benchmark.py and statistics.py of pysot-toolkit."""
    errors = []
    for box, true, gone in zip(result, truth, absent, strict=True):
        overlap, distance, normalised = measured(box, true)
        x, y, w, h = true
        if not all(value > 0 for value in true):
            overlap = -1
        if not (x + (w - 1) / 2 > 0 and y + (h - 1) / 2 > 0):
            distance = normalised = -1
        if not gone:
            errors.append((overlap, distance, normalised))
    return shares(errors, len(truth))


def trackingnet(result, truth):
    """metrics.py of TrackingNet-devkit."""
    result, truth = [[[nearest_even(value) for value in box] for box in boxes] for boxes in (result, truth)]
    errors = [measured(box, true) for box, true in zip(given(result, truth), truth, strict=True)]
    half_steps = [2.5 * step for step in range(21)]
    return shares(errors, len(truth), half_steps, [step / 100 for step in half_steps])


def repeated(result, truth):
    result = [list(box) for box in result]
    for index in range(1, len(result)):
        box = result[index]
        bad = any(map(math.isnan, box)) or box[2] <= 0 or box[3] <= 0
        if bad and not any(map(math.isnan, truth[index])):
            result[index] = list(result[index - 1])
    return result


def given(result, truth):
    return [truth[0], *result[1:]]


def nearest_even(value):
    return value if math.isnan(value) else float(round(value))


def measured(box, true):
    """Overlap, distance and normalised distance; NaN, which no threshold lets pass, where there is none."""
    if any(map(math.isnan, [*box, *true])):
        return math.nan, math.nan, math.nan
    (x, y, w, h), (u, v, s, t) = box, true
    width = min(x + w - 1, u + s - 1) - max(x, u) + 1
    height = min(y + h - 1, v + t - 1) - max(y, v) + 1
    shared = max(width, 0) * max(height, 0)
    united = w * h + s * t - shared
    across, down = (x + (w - 1) / 2) - (u + (s - 1) / 2), (y + (h - 1) / 2) - (v + (t - 1) / 2)
    normalised = math.hypot(across / s, down / t) if s > 0 and t > 0 else math.nan
    return shared / united if united > 0 else math.nan, math.hypot(across, down), normalised


def shares(errors, frames, pixels=PIXELS, hundredths=HUNDREDTHS):
    return ([sum(error[0] > threshold for error in errors) / frames for threshold in OVERLAPS],
            [sum(error[1] <= threshold for error in errors) / frames for threshold in pixels],
            [sum(error[2] <= threshold for error in errors) / frames for threshold in hundredths])

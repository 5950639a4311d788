import numpy as np
import pytest

from eval.plots import Curve, plot_precision, plot_success

CURVES = [Curve("worse", np.linspace(0.5, 0, 21), 0.25), Curve("better", np.linspace(1, 0, 21), 0.5)]


@pytest.fixture
def axes(monkeypatch):
    """The axes of every figure that is saved."""
    from matplotlib.figure import Figure

    seen, savefig = [], Figure.savefig

    def watched(figure, *args, **kwargs):
        seen.extend(figure.axes)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", watched)
    return seen


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_success_is_drawn_over_overlaps_the_best_curve_first(tmp_path, axes):
    plot_success(CURVES, tmp_path / "new/success.png", "walk")
    assert (tmp_path / "new/success.png").read_bytes().startswith(b"\x89PNG")
    assert legend(axes[0]) == ["better [0.500]", "worse [0.250]"]
    assert axes[0].get_title() == "walk"
    x, y = axes[0].lines[0].get_data()
    assert x == pytest.approx(np.linspace(0, 1, 21))
    assert y == pytest.approx(CURVES[1].values)


def test_precision_is_drawn_over_pixels_with_a_mark_where_it_is_read(tmp_path, axes):
    plot_precision(CURVES, tmp_path / "precision.png", "walk", read_at=20)
    assert axes[0].lines[0].get_xdata()== pytest.approx(np.linspace(0, 50, 21))
    assert list(axes[0].lines[-1].get_xdata()) == [20, 20]
    assert legend(axes[0]) == ["better [0.500]", "worse [0.250]"]


def test_many_trackers_stay_apart(tmp_path, axes):
    plot_success([Curve(str(number), CURVES[0].values, 0.1) for number in range(12)], tmp_path / "a.png", "many")
    looks = {(line.get_color(), line.get_linestyle()) for line in axes[0].lines}
    assert len(looks) == 12

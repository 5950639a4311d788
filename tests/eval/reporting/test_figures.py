import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from eval.reporting.figures import Point, draw_bars, draw_curves, draw_dots, draw_trade_off, pareto
from eval.reporting.looks import COLOURS, assign_looks

LOOKS = assign_looks(["fp", "<b>$x$"])
NAN = float("nan")


def curves(name="otb-success"):
    values = {"fp": np.linspace(1, 0, 21), "<b>$x$": np.linspace(0.5, 0, 21)}
    return draw_curves(name, values, LOOKS, 1.0, "overlap threshold", "success", 0.5, "a caption")


def texts(figure):
    return [element.text for element in ElementTree.fromstring(figure.svg).iter() if element.tag.endswith("text")]


def test_a_figure_is_svg_in_the_pages_own_ink_with_words_for_those_who_do_not_see_it():
    figure = curves()
    root = ElementTree.fromstring(figure.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == figure.alt == "success over overlap threshold of fp, <b>$x$"
    assert "currentColor" in figure.svg
    assert "#010203" not in figure.svg
    assert not re.search(r"<metadata|<!DOCTYPE|<\?xml", figure.svg)
    assert {"overlap threshold", "success"} <= set(texts(figure))
    assert all(look.colour.lower() in figure.svg for look in LOOKS.values())


def test_figures_of_one_page_share_no_ids_and_refer_to_their_own():
    ids = [set(re.findall(r'\bid="([^"]+)"', curves(name).svg)) for name in ("a-success", "b-success")]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', curves("a-success").svg)) <= ids[0]


def test_the_same_results_give_the_same_figure():
    assert curves() == curves()


def test_the_front_holds_what_none_beats_in_both():
    points = [Point(*one, NAN) for one in (("cheap", 1, 0.3), ("beaten", 2, 0.2), ("good", 3, 0.6), ("dear", 4, 0.6))]
    assert [point.label for point in pareto(points, cheap_is_good=True)] == ["cheap", "good"]
    assert [point.label for point in pareto(points, cheap_is_good=False)] == ["dear"]


def test_the_trade_off_names_its_front_and_spreads_widely_apart_costs():
    points = [Point("fp", 100, 0.6, NAN), Point("<b>$x$", 1, 0.5, 0.1)]
    figure = draw_trade_off("t", points, LOOKS, "GFLOPs", "success", True, "What it is.")
    assert figure.alt == "success against GFLOPs. On the Pareto front (dashed line): <b>$x$, fp."
    assert figure.caption == "What it is. On the Pareto front (dashed line): <b>$x$, fp."
    assert {"1", "10", "100"} <= set(texts(figure))


def dashed(figure):
    """The paths in the page's ink that are dashed, as their points."""
    return [re.findall(r"[\d.]+ [\d.]+", path.get("d")) for path in ElementTree.fromstring(figure.svg).iter()
            if re.search(r"stroke-dasharray: [1-9].*stroke: currentColor", path.get("style", ""))]


@pytest.mark.parametrize("costs", [(1, 2), (1, 100)])
def test_the_front_is_a_line_from_member_to_member(costs):
    points = [Point("fp", costs[1], 0.6, NAN), Point("<b>$x$", costs[0], 0.5, NAN)]
    (line,) = dashed(draw_trade_off("t", points, LOOKS, "GFLOPs", "success", True, ""))
    (x0, y0), (x1, y1) = (map(float, point.split()) for point in line)
    assert x1 - x0 > 50
    assert y0 - y1 > 50


def test_a_front_of_one_has_no_line_and_claims_none():
    points = [Point("fp", 1, 0.6, NAN), Point("<b>$x$", 2, 0.5, NAN)]
    figure = draw_trade_off("t", points, LOOKS, "GFLOPs", "success", True, "")
    assert dashed(figure) == []
    assert figure.caption.strip() == "On the Pareto front: fp."


def test_bars_of_one_colour_are_told_apart_by_hatching():
    looks = assign_looks(map(str, range(3 * len(COLOURS))))
    first, *_ = same = [label for label, look in looks.items() if look.colour == COLOURS[0]]
    alone, all_three = (draw_bars("rows", {"OCC": dict.fromkeys(labels, 0.5)}, looks, "AO", "").svg
                        for labels in ([first], same))
    assert "<pattern" not in alone
    patterns = re.findall(r'<pattern id="([^"]+)"', all_three)
    assert len(patterns) == len(set(patterns)) == 2
    assert all(f"fill: url(#{pattern})" in all_three for pattern in patterns)


@pytest.mark.parametrize("draw", [draw_bars, draw_dots])
def test_rows_keep_their_names_and_what_is_not_known_is_left_out(draw):
    figure = draw("rows", {"$a$_b": {"fp": 0.5, "<b>$x$": NAN}, "c": {"fp": NAN, "<b>$x$": NAN}}, LOOKS, "AO", "")
    assert [text for text in texts(figure) if text in ("$a$_b", "c", "AO")] == ["AO", "$a$_b", "c"]

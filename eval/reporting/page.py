"""The page itself: `report.html`, one file that needs no other, and `report.md` with the same tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.files import write_text
from eval.reporting import tables
from eval.reporting.gather import Evaluation, gather
from eval.reporting.groups import confusions, group, name_groups
from eval.reporting.looks import assign_looks, chip
from eval.reporting.sections import make_section, ranked_by

if TYPE_CHECKING:
    from jinja2 import Environment

TERMS = {
    "AO, SR": "Average overlap: mean intersection over union of predicted and true box. Success rate: share of frames "
              "with an overlap above .5 or .75.",
    "success": "Area under the success curve: the share of frames with an overlap above a threshold, over thresholds "
               "from 0 to 1.",
    "precision": "Share of frames whose centre is at most 20 pixels off; normalised precision measures in sizes of the "
                 "target instead.",
    "rule": "Toolkits score the same boxes differently, so each score names the rule that it was taken by. Scores of "
            "different rules do not compare.",
    "counted FLOPs": "What one update of the tracker costs: two FLOPs a multiply-add, 64 binary multiply-adds counted "
                     "as one. The ratio is taken to the same network in full precision.",
    "budget": "The ratio that a method was asked to stay below.",
    "fps": "Frames over the summed time of update(), without decoding and without init. It holds for the machine, "
           "device and threads that it was measured on.",
    "± over seeds": "Trackers that differ by the training seed alone are one line: mean and sample standard "
                    "deviation.",
}


def write_page(folders: Sequence[Path], out: Path) -> list[str]:
    """Gather all results below `folders` and write `report.html` and `report.md` into `out`.

    Returns:
        What is missing on the page, a line each.

    Raises:
        DataError: a folder does not exist, or there are no results below any.
    """
    evaluations, skipped = gather(folders)
    view = make_view(evaluations, skipped)
    write_text(out / "report.html", render("report.html", view))
    write_text(out / "report.md", render("report.md", view))
    return view["problems"] + [f"{section.title}: {line}" for section in view["sections"] for line in section.problems]


def make_view(evaluations: Sequence[Evaluation], skipped: Sequence[str]) -> dict[str, Any]:
    """Everything that the templates show."""
    labels = name_groups(evaluations)
    grouped = [group(evaluation, labels) for evaluation in evaluations]
    looks = assign_looks(one.label for groups in grouped for one in groups)
    titles = _titles(evaluations)
    sections = [
        make_section(evaluation, groups, looks, title, _anchor(title, number))
        for number, (evaluation, groups, title) in enumerate(zip(evaluations, grouped, titles, strict=True), start=1)
    ]
    return {
        "sections": sections,
        "summary": tables.summary({
            title: (ranked_by(evaluation, groups).key, groups)
            for title, evaluation, groups in zip(titles, evaluations, grouped, strict=True)
        }),
        "problems": [*(f"Left out: {line}" for line in skipped), *confusions(evaluations, labels)],
        "terms": TERMS,
        "chips": {label: chip(look) for label, look in looks.items()},
        "looks": looks,
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def render(template: str, view: dict[str, Any]) -> str:
    """One of `templates/` filled in."""
    return _environment().get_template(template).render(view)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters["markdown"] = _escape_markdown
    return environment


def _escape_markdown(text: str) -> str:
    """Text that no Markdown reader takes for a cell's end, an HTML tag or emphasis."""
    return re.sub(r"([\\|*_`\[\]])", r"\\\1", " ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;")


def _titles(evaluations: Sequence[Evaluation]) -> list[str]:
    """The dataset's name, with the folder where two evaluations have the same."""
    counts = Counter(one.name for one in evaluations)
    return [one.name if counts[one.name] == 1 else f"{one.name} ({one.folder})" for one in evaluations]


def _anchor(title: str, number: int) -> str:
    return f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}-{number}"

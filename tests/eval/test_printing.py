import pytest

from eval.printing import full_precision, narrow_table, other_rules, print_report, several_starts, whole_table

SCORES = dict(ao=0.698, sr50=0.8, sr75=0.5, success=0.7, precision=0.9, norm_precision=None, fps=30.5)
FACTS = dict(budget=None, flops_ratio=1.0,
             params_1bit=0, params_32bit=856294, bytes=3425176, counted_flops=943554566, device="cpu", threads=2,
             others=[], multi_start_targets=None)


def row(tracker, folder="work", **values):
    return dict(tracker=tracker, method="fp" if tracker.endswith("fp") else "mixbin",
                checkpoint=f"{folder}/{tracker}/checkpoint.pth") | FACTS | SCORES | values


def starts(tracker, **values):
    return row(tracker, multi_start_ao=0.61, multi_start_targets=8, multi_start_runs=40, multi_start_reference=None,
               multi_start_difference=None, multi_start_stderr=None) | values


def test_each_score_has_the_full_precision_trackers_beside_it():
    table = whole_table([
        row("fp"), row("mixbin-0.3", ao=1 / 3, budget=0.3, flops_ratio=0.2951, params_1bit=120345, bytes=18000),
        row("alone", folder="elsewhere", ao=None, bytes=None),
    ])
    fp, mixbin, alone = (dict(zip(table.head, cells, strict=True)) for cells in table.body)
    assert (fp["AO"], mixbin["AO"], alone["AO"]) == (".698", ".333 (.698)", "-")
    assert (fp["budget"], mixbin["budget"], mixbin["FLOPs ratio"]) == ("-", "0.30", ".295")
    assert (mixbin["1-bit params"], mixbin["bytes"], alone["bytes"]) == ("120,345", "18,000", "-")
    assert mixbin["fps"] == "30.5 (30.5)"
    assert mixbin["device, threads, form"] == "cpu, 2"


def test_full_precision_trackers_of_other_folders_are_no_rivals(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mixbin, near, far = row("mixbin"), row("fp", folder=tmp_path / "work"), row("fp", folder="other")
    assert full_precision(mixbin, [far, mixbin, near]) is near
    assert full_precision(mixbin, [far, mixbin]) is None
    assert full_precision(near, [near, mixbin]) is None


def test_peers_have_no_rival_wherever_their_files_lie():
    fp, peer = row("fp"), row("nanotrack", method="peer")
    assert full_precision(peer, [fp, peer]) is None


def test_normalised_precision_is_a_column_where_the_rule_has_it():
    assert "norm. prec." not in whole_table([row("a")]).head
    assert "norm. prec." in narrow_table([row("a", norm_precision=0.5)], "walk").head


def test_other_rules_are_a_table_each():
    other = dict(protocol="pysot rule", success=0.71, precision=None, norm_precision=None)
    tables = other_rules([row("a", others=[other, other | dict(protocol="third")]), row("b", others=[other])])
    assert [table.title for table in tables] == [f"The same boxes by the {name}" for name in ("pysot rule", "third")]
    assert tables[0].body == [["a", ".710", "-"], ["b", ".710", "-"]]
    assert other_rules([row("a")]) == []


def test_differences_from_many_starts_have_signs():
    table, = several_starts([starts("fp"), starts("mixbin", multi_start_reference="fp", multi_start_stderr=0.015,
                                                  multi_start_difference=-0.029)])
    assert table.body == [["fp", "-", "-", "-", ".610", "8", "40"],
                          ["mixbin", "fp", "-.029", ".015", ".610", "8", "40"]]
    assert several_starts([row("a")]) == []


def test_markdown_has_a_rule_below_the_head():
    lines = whole_table([row("fp")]).markdown().splitlines()
    assert lines[1].startswith("| --- | --- | ---: |")
    assert lines[2].startswith("| fp | fp | - | 1.000 |")


def test_cost_is_in_gflops_for_every_tracker_that_knows_it():
    table = narrow_table([row("fp"), row("csrt", counted_flops=None)], "walk")
    assert [cells[table.head.index("GFLOPs")] for cells in table.body] == [".944", "-"]


def test_a_narrow_terminal_goes_without_the_less_important_columns(capsys, monkeypatch):
    for columns, there in (("80", False), ("120", True)):
        monkeypatch.setenv("COLUMNS", columns)
        print_report([row(f"some/folder/{name}", norm_precision=0.5) for name in ("fp", "mixbin-0.3")], "", [])
        printed = capsys.readouterr().out
        assert (" kB \n" in printed) is there
        assert ("No room for" in printed) is not there


@pytest.mark.parametrize("name", ["mixbin-0.3", "small/mixbin-0.3", "a/rather/long/folder/of/runs/mixbin-0.3"])
def test_all_that_is_printed_fits_80_columns_and_names_stay_legible(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    more = dict(norm_precision=0.812, fps=131.5, sr50=1.0, precision=1.0)
    rows = [starts("fp", **more), starts(name, checkpoint="work/mixbin/checkpoint.pth", multi_start_reference="fp",
                                         multi_start_difference=-0.03, multi_start_stderr=0.1, **more)]
    print_report(rows, "lasot-test", ["a note that is [not markup] and goes on and on " * 3])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("(.698)" in line and "(131.5)" in line for line in lines)
    assert any(line.startswith(f" {name[:16]}") for line in lines)
    assert "[not markup]" in "".join(lines)

"""The table of costs: its figures, its totals, and the command as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from b2nn.convert import binarize
from b2nn.metrics import memory
from b2nn.packed import save
from b2nn.plan import all_binary, make_plan
from b2nn.pruning import prune
from tracker.checkpoint import Checkpoint, save_checkpoint
from tracker.errors import TrackerError
from tracker.models import build_network, cost_table, example_inputs
from tracker.packed import pack_network
from tracker.packed_layers import conv_halves
from tracker.subject import subject_of
from tracker.summary import as_stored, layer_costs, print_summary

ROOT = Path(__file__).resolve().parents[2]
MODEL = dict(type="siamese", backbone=dict(width=0.125, stride=16, stem="light", shortcut="conv"),
             neck_channels=8, head=dict(channels=8, depth=1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(MODEL).eval()


@pytest.fixture(scope="module")
def table(network):
    return cost_table(network)


def command(*options: str) -> subprocess.CompletedProcess:
    return run_python("tools/summary.py", *options)


def run_python(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, text=True, capture_output=True)


@pytest.mark.parametrize("part", [0, 3, None], ids=["all binary", "some", "all full"])
def test_the_rows_add_up_to_the_table(table, part):
    full = [unit.name for unit in table.eligible][:part]
    rows = layer_costs(table, full)
    assert sum(row.flops for row in rows) == pytest.approx(table.counted(full))
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.params_1bit for row in rows) == table.params_1bit(full)
    assert sum(row.params_other for row in rows) == table.params_32bit(full)
    assert sum(row.bytes for row in rows) == pytest.approx(table.bytes(full), abs=len(rows))


def test_a_binary_row_counts_a_64th_and_its_weights_as_bits(table):
    rows = {row.name: row for row in layer_costs(table, ())}
    conv = rows["backbone.layer2.1.conv1"]  # 16 channels to 16, 3x3, on 32x32 cells
    assert conv.precision == "1 bit" and conv.reason == ""
    assert conv.macs == 16 * 16 * 9 * 32 * 32
    assert conv.flops == 2 * conv.macs / 64
    assert (conv.params_1bit, conv.params_other, conv.bytes) == (16 * 16 * 9, 0, 16 * 16 * 9 // 8)


def test_fixed_layers_say_why(table):
    rows = {row.name: row for row in layer_costs(table, ())}
    assert rows["backbone.conv1"].precision == "32 bit"
    assert rows["backbone.conv1"].reason == "sees the network's input"
    assert rows["head.cls"].reason == "makes a prediction"


def test_a_checkpoint_is_shown_with_its_plan(network, table, tmp_path, capsys):
    plan = make_plan(table, [], 0.9, "random", 0)
    binary = binarize(build_network(MODEL), plan, table)
    save_checkpoint(tmp_path / "tracker.pth", binary, Checkpoint(MODEL, plan=plan))
    print_summary(checkpoint=tmp_path / "tracker.pth")
    shown = capsys.readouterr().out
    assert f"ratio:          {table.floor:.4f}, plan of random for budget 0.9" in shown
    assert f"{table.total / 1e6:.2f} MFLOPs" in shown


def test_a_plan_of_parts_is_shown_part_by_part(table, tmp_path, capsys):
    halves = table.split(2)
    plan = make_plan(halves, [unit.name for unit in halves.eligible[::2]], 0.9, "random", 0)
    binary = binarize(build_network(MODEL), plan, table)
    save_checkpoint(tmp_path / "tracker.pth", binary, Checkpoint(MODEL, plan=plan))
    print_summary(checkpoint=tmp_path / "tracker.pth")
    shown = capsys.readouterr().out
    assert f"ratio:          {plan.ratio:.4f}, plan of random" in shown and table.floor < plan.ratio < 1
    assert f"with all {len(table.eligible)} eligible layers of {len(table.units)} binary" in shown
    for name, precision in ((plan.full[0], "32 bit"), (plan.binary[0], "1 bit")):
        row, = (line for line in shown.splitlines() if name in line)
        assert "[" in name and precision in row


def packed_file(path: Path, precision: str = "float32", **stored) -> Path:
    network = stored.pop("network")
    crops = [(torch.rand(1, 3, 127, 127), torch.rand(1, 3, 255, 255))] * 2
    save(path, pack_network(network.eval(), Checkpoint(MODEL, **stored), precision, crops))
    return path


def test_a_checkpoint_is_measured_packed(table, tmp_path, capsys):
    plan = make_plan(table, [], 0.9, "random", 0)
    save_checkpoint(tmp_path / "tracker.pth", binarize(build_network(MODEL), plan, table), Checkpoint(MODEL, plan=plan))
    print_summary(checkpoint=tmp_path / "tracker.pth")
    shown = capsys.readouterr().out
    assert "measured:  " in shown and "ms a frame, packed with float32 rest, on " in shown and "simulated" not in shown


def test_a_packed_file_is_shown_with_what_it_holds(table, tmp_path, capsys):
    full = [unit.name for unit in table.eligible[:2]]
    plan = make_plan(table, full, None, "random", 0)
    file = packed_file(tmp_path / "t.packed", "int8", network=binarize(build_network(MODEL), plan, table), plan=plan)
    print_summary(checkpoint=file)
    shown = capsys.readouterr().out
    for name, precision in ((full[0], "8 bit"), (plan.binary[0], "1 bit"), ("head.cls", "32 bit")):
        row, = (line for line in shown.splitlines() if f" {name} " in line)
        assert precision in row
    assert f"file:           {file.stat().st_size:,} bytes; int8 rest" in shown
    assert "in 8 or 32 bit: " in shown and "in 32 bit:" not in shown
    assert f"{table.total / 1e6:.2f} MFLOPs" in shown and "packed with int8 rest" in shown


def test_bytes_of_a_packed_files_rows_add_up_to_the_file(table, tmp_path):
    halves = table.split(2)
    plan = make_plan(halves, [unit.name for unit in halves.eligible[::2]], 0.9, "random", 0)
    file = packed_file(tmp_path / "t.packed", network=binarize(build_network(MODEL), plan, halves), plan=plan)
    subject = subject_of(file)
    convs = conv_halves(subject.network, subject.packed.packed.programs)
    rows = as_stored(layer_costs(halves, plan.full), convs, file.stat().st_size, halves, plan.full)
    assert sum(row.bytes for row in rows) == file.stat().st_size
    assert all(row.bytes >= max(row.params_1bit / 8, 4 * (row.params_1bit == 0)) for row in rows)
    one = {row.name: row for row in rows}[plan.full[0]]
    assert one.precision == "32 bit" and one.bytes >= 4 * one.params_other


def test_a_pruned_packed_file_has_its_own_smaller_layers(tmp_path, capsys):
    network = build_network(MODEL).eval()
    pruned = prune(network, *example_inputs(network), budget=0.6)
    print_summary(checkpoint=packed_file(tmp_path / "t.packed", network=network, pruned=pruned))
    assert f"{cost_table(network).total / 1e6:.2f} MFLOPs" in capsys.readouterr().out


def test_a_packed_file_has_its_own_plan(network, tmp_path):
    with pytest.raises(TrackerError, match=r"--plan: .* is packed by its own plan; give the checkpoint"):
        print_summary(checkpoint=packed_file(tmp_path / "t.packed", network=network), plan=tmp_path / "plan.json")


def test_a_plan_for_memory_says_so(table, tmp_path, capsys):
    plan = make_plan(memory(table), [], 0.9, "random", 0)
    save_checkpoint(tmp_path / "tracker.pth", binarize(build_network(MODEL), plan, table), Checkpoint(MODEL, plan=plan))
    print_summary(checkpoint=tmp_path / "tracker.pth")
    shown = capsys.readouterr().out
    assert f"ratio:          {table.floor:.4f}, plan of random for budget 0.9 of memory" in shown
    assert f"memory:         {plan.ratio:.4f} of full precision" in shown and "measured:  " in shown


def test_a_pruned_checkpoint_is_shown_with_its_own_smaller_layers(tmp_path, capsys):
    network = build_network(MODEL).eval()
    pruned = prune(network, *example_inputs(network), budget=0.6)
    save_checkpoint(tmp_path / "tracker.pth", network, Checkpoint(MODEL, pruned=pruned))
    print_summary(checkpoint=tmp_path / "tracker.pth")
    shown = capsys.readouterr().out
    assert f"pruned:         to {pruned.ratio:.4f} of the whole network's FLOPs, for budget 0.6" in shown
    assert "ratio:          1.0000 of the pruned network, which has no plan" in shown
    assert f"{cost_table(network).total / 1e6:.2f} MFLOPs" in shown


def test_a_configuration_and_a_checkpoint_exclude_each_other(tmp_path):
    with pytest.raises(TrackerError, match="--config and --checkpoint"):
        print_summary(config="demo", checkpoint=tmp_path / "tracker.pth")


def test_the_command_shows_a_plan_of_a_preset(tmp_path):
    from tracker.config import load_config

    plan = all_binary(cost_table(build_network(load_config("small").model)))
    plan.save(tmp_path / "plan.json")
    shown = command("--config", "small", "--plan", str(tmp_path / "plan.json"), "--budget", "0.3")
    assert shown.returncode == 0 and shown.stderr == ""
    assert f"ratio:          {plan.ratio:.4f}, plan of bnn" in shown.stdout
    assert f"floor:          {plan.ratio:.4f}" in shown.stdout
    assert "above what is counted here" in shown.stdout
    assert "backbone.layer3.1.conv2" in shown.stdout and "1x1 shortcut: carries" in shown.stdout


@pytest.mark.parametrize(("options", "message"), [
    (("--budget", "0.001"), "below the floor"),
    (("--plan", "none.json"), "none.json: cannot be read"),
])
def test_the_commands_errors_are_one_line_and_exit_code_2(options, message):
    shown = command(*options)
    assert shown.returncode == 2 and shown.stdout == ""
    assert message in shown.stderr and shown.stderr.count("\n") == 1


def test_help_needs_no_heavy_import():
    shown = run_python("-X", "importtime", "tools/summary.py", "--help")
    assert shown.returncode == 0 and "--budget" in shown.stdout
    assert "argparse" in shown.stderr and "torch" not in shown.stderr

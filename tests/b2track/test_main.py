"""The command `b2track`, as its console script calls it and as a user types it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from b2track.commands.evaluate import BENCHMARKS
from b2track.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {"track": "demo", "train": "train_tracker", "summary": "summary", "export": "export", "doctor": "doctor"}


@pytest.fixture
def call(monkeypatch, capsys):
    """Types `b2track` and words, and gives exit code, output and errors."""
    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/b2track", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()
    return typed


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",)])
def test_alone_it_lists_its_commands_with_examples(call, words):
    code, out, _ = call(*words)
    assert code == 0 and "    b2track track --source video.mp4 --init-box" in out
    assert all(f"  {name} " in out and choice.does in out for name, choice in COMMANDS.items())


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), *(("evaluate", name) for name in BENCHMARKS)])
def test_every_command_shows_its_own_examples(call, words):
    code, out, err = call(*words, "--help")
    name = " ".join(("b2track", *words))
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {name} ") and f"    {name}" in out
    assert "tools/" not in out.replace("`tools/demo.py --web`", "") and "python eval/" not in out


@pytest.mark.parametrize("choice", [*COMMANDS.values(), *BENCHMARKS.values()], ids=lambda choice: choice.module)
def test_what_is_listed_is_in_a_package(choice):
    assert choice.module.split(".")[0] in ("b2track", "eval")
    assert callable(import_module(choice.module).main)


@pytest.mark.parametrize(("words", "message"), [
    (("trak",), "b2track trak: no such command; did you mean track?"),
    (("evaluate", "lasoot"), "b2track evaluate lasoot: no such command; did you mean lasot?"),
    (("xyz",), "no such command; there are track, serve, "),
    (("track",), "required: --source"),
    (("serve", "--port", "99999"), "--port: 99999: expected a number from 0 to 65535"),
    (("serve", "--port", "²"), "--port: ²: expected a number"),
    (("serve", "--source", "0"), "unrecognized arguments: --source 0"),
    (("summary", "--budget", "much"), "--budget"),
    (("track", "--source", "no.mp4", "--init-box", "1,2,3,4", "--csv", "x.csv"), "no.mp4: no such file or folder"),
])
def test_a_mistake_is_one_line_and_2(call, words, message):
    code, out, err = call(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_its_version_is_the_packages(call):
    assert call("--version")[1].startswith("b2track 0.")


@pytest.mark.parametrize("command", TOOLS)
def test_the_scripts_of_a_checkout_take_the_same_options(call, command):
    done = subprocess.run([sys.executable, ROOT / f"tools/{TOOLS[command]}.py", "--help"], capture_output=True,
                          text=True, env={"COLUMNS": "80", "PYTHONPATH": str(ROOT)})
    options = call(command, "--help")[1].partition("\n\n")[2]
    assert done.returncode == 0 and done.stdout.partition("\n\n")[2] == options


def test_help_and_the_doctor_do_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}

    def typed(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "b2track", *words], capture_output=True, text=True,
                              env=environment, cwd=tmp_path)

    assert all(typed(*words, "--help").returncode == 0 for words in ((), ("track",), ("doctor",)))
    modules = "import b2track.commands.doctor, tracker.cli, tracker.doctor"
    assert subprocess.run([sys.executable, "-c", modules], env=environment, cwd=tmp_path).returncode == 0
    tracked = typed("track", "--source", "a.mp4", "--init-box", "1,2,3,4", "--csv", "a.csv")
    assert (tracked.returncode, tracked.stderr) == (2, "error: no torch here\n")

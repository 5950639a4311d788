import functools
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import calls
import pytest

from datasets.errors import DataError
from eval.processes import in_processes, one_line

ROOT = Path(__file__).resolve().parents[2]


def run(function, arguments, workers=2):
    with closing(in_processes(function, arguments, workers)) as ended:
        return dict(ended)


def gone(pid):
    """Whether a process has ended within some seconds."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_every_call_is_made_once_by_as_many_processes(tmp_path):
    assert run(calls.note, [(tmp_path / str(number),) for number in range(6)]) == dict.fromkeys(range(6))
    pids = {path.read_text() for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 6
    assert 1 <= len(pids) <= 2 and str(os.getpid()) not in pids


def test_no_calls_need_no_process():
    assert run(calls.note, []) == {}


def test_an_error_is_one_line_and_the_rest_goes_on(tmp_path):
    found = run(calls.fail, [("a\nbad file",), (None,), ("another",)], workers=1)
    assert found == {0: "RuntimeError: a bad file", 1: None, 2: "RuntimeError: another"}
    assert one_line(DataError("x.jpg: not  readable")) == "x.jpg: not readable"
    assert one_line(ValueError()) == "ValueError: "


def test_a_process_that_dies_fails_its_own_call_only():
    found = run(calls.die, [(False,), (True,), (False,), (False,)], workers=1)
    assert [number for number, error in found.items() if error] == [1]
    assert found[1] == "its process died (exit code 7; out of memory?)"


def test_whoever_stops_early_leaves_no_process(tmp_path):
    with closing(in_processes(calls.sleep, [(tmp_path / "a",), (None,)], 2)) as ended:
        next(ended)
        pid, start = calls.pid_in(tmp_path / "a"), time.monotonic()
    assert time.monotonic() - start < 30  # the call would take a minute
    assert gone(pid)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or not Path("/proc").is_dir(), reason="needs Linux")
def test_a_killed_caller_leaves_no_process(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(
        "import sys, calls\nfrom pathlib import Path\nfrom eval.processes import in_processes\n"
        "if __name__ == '__main__':\n"
        "    list(in_processes(calls.sleep, [(Path(sys.argv[1]),)], 1))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    caller = subprocess.Popen([sys.executable, script, tmp_path / "pid"], env=environment)
    pid = calls.pid_in(tmp_path / "pid")
    caller.kill()
    caller.wait()
    assert gone(pid)


def test_partials_are_sent_too(tmp_path):
    assert run(functools.partial(calls.note, text="x"), [(tmp_path / "a",)]) == {0: None}
    assert (tmp_path / "a").read_text() == "x"

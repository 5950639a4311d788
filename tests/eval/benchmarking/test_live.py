"""The command as a user types it; nothing here asks how fast anything was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the demo in a browser needs the extra `web`")

ROOT = Path(__file__).resolve().parents[3]


def call(*arguments):
    return subprocess.run([sys.executable, "eval/benchmark_live.py", *map(str, arguments)], cwd=ROOT, text=True,
                          capture_output=True)


def test_pages_stream_to_a_server_of_their_own(tmp_path):
    done = call("--pages", 2, "--seconds", 0.5, "--json", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["pages"], row["packed"]) == (2, True)
    assert row["update_ms"] > 0 and 0 < row["added_ms"] <= row["added_p95_ms"]
    assert "frames/s" in done.stdout


@pytest.mark.parametrize(("arguments", "reason"), [
    (["--pages", 0], "--pages 0: the server takes 1 to 4"),
    (["--seconds", 0], "--seconds 0: must be more than 0"),
    (["--checkpoint", "no.pth"], "--checkpoint no.pth: no such file"),
    (["--json", "no/such/x.json"], "there is no folder no/such"),
    (["--checkpoint", "README.md"], "the server did not start: error: "),
])
def test_what_cannot_be_is_said_in_one_line(arguments, reason):
    done = call(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert reason in done.stderr

"""`tools/demo.py --web` as a user types it, with an untrained tracker."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tracker.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracker.errors import TrackerError
from tracker.export.onnx_graphs import export_graphs, write_graphs
from tracker.models import build_network
from tracker.ready import READY_MODEL
from tracker.web.command import WebOptions, run_web
from tracker.web.trackers import find_choices

TINY = dict(type="siamese", backbone=dict(width=0.125, stride=16, stem="light"), neck_channels=8,
            head=dict(channels=8, depth=1))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with two finished runs, in which temporary files are made too."""
    for name, summary in (("fp", '{"method": "fp", "flops_ratio": 1.0}'),
                          ("mixbin-0.3", '{"method": "mixbin", "flops_ratio": 0.297}')):
        save_checkpoint(tmp_path / f"work_dirs/{name}/checkpoint.pth", build_network(TINY), Checkpoint(TINY))
        (tmp_path / f"work_dirs/{name}/summary.json").write_text(summary)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_prints_an_address_with_a_token_answers_and_ends_clean(place):
    command = [sys.executable, ROOT / "tools/demo.py", "--web", "--host", "0.0.0.0", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        port, token = re.fullmatch(r"http://[\d.]+:(\d+)/([\w-]{16})/", address).groups()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{token}/", timeout=20) as page:
            assert page.status == 200
        assert list((place / "temporary").glob("b2track-web-*"))
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    assert not list((place / "temporary").iterdir())


def test_trackers_are_the_packages_and_the_finished_runs_the_latest_first_or_those_named(place):
    assert [(one.name, one.note) for one in find_choices(place / "work_dirs", [], "cpu")] == [
        ("ready", "partly 1-bit, comes with the package"), ("ready-fp", "full precision, comes with the package"),
        ("mixbin-0.3", "mixbin, 30% of the full-precision FLOPs"),
        ("fp", "full precision")]
    assert [one.name for one in find_choices(place, [READY_MODEL], "cpu")] == ["ready"]
    named = [place / "work_dirs/fp/checkpoint.pth", place / "other/fp/checkpoint.pth"]
    named[1].parent.mkdir(parents=True)
    named[1].write_bytes(named[0].read_bytes())
    assert [one.name for one in find_choices(place / "work_dirs", named[:1], "cpu")] == ["fp"]
    both = find_choices(place / "work_dirs", named, "cpu")
    assert [(one.name, one.note) for one in both] == [("work_dirs/fp", "full precision"), ("other/fp", "")]


def test_a_folder_of_graphs_is_on_offer_too(place):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    write_graphs(place / "exported", export_graphs(*load_checkpoint(place / "work_dirs/fp/checkpoint.pth")))
    (choice,) = find_choices(place, [place / "exported"], "cpu")
    assert choice.name.endswith("exported") and "onnxruntime" in repr(choice.make())


def test_sessions_share_weights(place):
    choice = find_choices(place / "work_dirs", [], "cpu")[2]
    one, other = choice.make(), choice.make()
    assert one is not other and one.network is other.network


@pytest.mark.parametrize(("options", "message"), [
    (dict(videos=Path("nowhere")), "--videos nowhere: no such folder"),
    (dict(checkpoints=(Path("nowhere"),)), "--checkpoint nowhere: no such file"),
    (dict(host=""), "--host '': is no address"),
    (dict(device="tpu"), "--device tpu"),
    (dict(host="300.1.1.1"), "--host 300.1.1.1: is no address of this machine"),
    (dict(certificate=Path("nope.pem")), "--cert nope.pem: No such file"),
    (dict(certificate=Path("work_dirs/fp/summary.json")), "--cert .*: holds no certificate"),
])
def test_bad_options_are_told_before_anything_listens(place, options, message):
    with pytest.raises(TrackerError, match=message):
        run_web(WebOptions(port=0, **options))


def test_a_port_that_is_taken_is_told(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TrackerError, match=r"--port \d+: is in use already"):
            run_web(WebOptions(port=taken.getsockname()[1]))
    assert not list((place / "temporary").iterdir())


def test_options_of_the_other_kind_are_refused():
    done = subprocess.run([sys.executable, ROOT / "tools/demo.py", "--web", "--source", "0"], capture_output=True,
                          text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --web --source: sources are chosen in the page; ")

"""What a command leaves behind: an exit code, and one line for what the user can mend."""

import pytest
from torch.utils.data import DataLoader, Dataset

from b2nn.errors import B2nnError, BudgetError
from datasets.errors import DataError
from tracker.cli import Parser, run
from tracker.errors import CheckpointError, TrackerError


class Broken(Dataset):
    """Its item cannot be read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int):
        raise DataError("data.mdb: page 7 is broken; build the cache anew")


def raising(error: BaseException):
    def command() -> None:
        raise error
    return command


@pytest.mark.parametrize("kind", [B2nnError, BudgetError, DataError, TrackerError, CheckpointError, ImportError])
def test_an_error_of_the_user_is_one_line_and_2(kind, capsys):
    with pytest.raises(SystemExit) as end:
        run(raising(kind("--budget 7:\n  too much")))
    assert end.value.code == 2
    assert capsys.readouterr() == ("", "error: --budget 7: too much\n")


def test_a_wrong_option_is_one_line_and_2(capsys):
    parser = Parser("Do it.\n\n    python do.py --fast")
    parser.add_argument("--seed", type=int)
    assert "    python do.py --fast\n" in parser.format_help()
    for wrong in (["--seed", "x"], ["--sed", "1"]):
        with pytest.raises(SystemExit) as end:
            parser.parse_args(wrong)
        assert end.value.code == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1) and wrong[0] in err


def test_an_error_of_a_loaders_worker_is_its_message_alone(capsys):
    loader = DataLoader(Broken(), num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(SystemExit) as end:
        run(lambda: list(loader) and None)
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: data.mdb: page 7 is broken; build the cache anew\n"


def test_ctrl_c_is_130(capsys):
    with pytest.raises(SystemExit) as end:
        run(raising(KeyboardInterrupt()))
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("a bug"), KeyError("a bug")])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error), match="a bug"):
        run(raising(error))


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_a_command_ends_with_what_it_returns(returned, code):
    with pytest.raises(SystemExit) as end:
        run(lambda: returned)
    assert end.value.code == code

from datasets.progress import progress_bars, silent


def test_counts_are_shown_on_stderr_one_line_a_label(capsys):
    with progress_bars() as report:
        report("reading", 0, 4)
        report("reading", 4, 4)
        report("writing", 1, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "reading" in shown.err and "4/4" in shown.err
    assert "writing" in shown.err and "1/2" in shown.err


def test_nothing_is_shown_before_the_first_report(capsys):
    with progress_bars():
        pass
    assert capsys.readouterr().err == ""


def test_silence(capsys):
    silent("reading", 1, 2)
    assert capsys.readouterr() == ("", "")

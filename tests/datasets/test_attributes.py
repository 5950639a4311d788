import pytest

from datasets import attributes
from datasets.errors import DataError


@pytest.mark.parametrize(("codes", "flags", "expected"), [
    # Basketball of OTB: the toolkit's order, which is not that of the paper.
    (attributes.OTB, "1,1,0,1,1,0,0,0,0,1,0", ("IV", "OPR", "OCC", "DEF", "BC")),
    (attributes.LASOT, "0,0,0,0,0,0,0,0,1,0,0,0,0,1", ("SV", "ARC")),
    (attributes.UAV123, "1,0,0,0,0,0,0,0,0,0,0,1", ("SV", "SOB")),
])
def test_flags_stand_for_codes_in_the_toolkits_order(tmp_path, lines, codes, flags, expected):
    lines(tmp_path / "att" / "a.txt", flags)
    assert attributes.read_attributes(tmp_path, tmp_path / "att", codes) == {"a": expected}


@pytest.mark.parametrize("name", ["Jogging.1", "Jogging-1", "jogging-1"])
def test_toolkits_agree_on_the_key_of_a_name(name):
    assert attributes.key(name) == "jogging.1"


def test_a_table_goes_before_the_toolkits_files(tmp_path, lines):
    lines(tmp_path / "att" / "a.txt", "1")
    lines(tmp_path / "attributes.csv", "sequence,attributes", "A,IV OCC", "b,", "c,SV OCC ,IPR")
    found = attributes.read_attributes(tmp_path, tmp_path / "att", ("LR",))
    assert found == {"a": ("IV", "OCC"), "b": (), "c": ("SV", "OCC", "IPR")}


def test_without_files_there_are_none(tmp_path):
    assert attributes.read_attributes(tmp_path) == {}
    assert attributes.read_attributes(tmp_path, tmp_path / "att", attributes.OTB) == {}


def test_malformed_files_are_named(tmp_path, lines):
    lines(tmp_path / "att" / "a.txt", "1,0")
    with pytest.raises(DataError, match=r"a\.txt: 2 flags; expected 11, for IV OPR"):
        attributes.read_attributes(tmp_path, tmp_path / "att", attributes.OTB)
    lines(tmp_path / "attributes.csv", "sequence,attributes", "a,IV", "b IV")
    with pytest.raises(DataError, match=r"attributes\.csv, line 3: expected sequence,attributes, found 'b IV'"):
        attributes.read_attributes(tmp_path)
    lines(tmp_path / "attributes.csv", "a,IV")
    with pytest.raises(DataError, match=r"attributes\.csv, line 1: expected the header"):
        attributes.read_attributes(tmp_path)

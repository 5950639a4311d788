from eval.reporting.looks import COLOURS, assign_looks, chip


def test_two_dozen_trackers_look_different_the_first_ones_by_colour():
    looks = assign_looks(str(number) for number in range(24))
    assert len(set(looks.values())) == 24
    assert tuple(looks[str(number)].colour for number in range(len(COLOURS))) == COLOURS


def test_a_tracker_looks_the_same_however_often_it_comes():
    assert assign_looks(["a", "b", "a"]) == assign_looks(["a", "b"])


def test_opencv_gets_the_same_colour_backwards():
    assert assign_looks(["a"])["a"].bgr == (0xB2, 0x72, 0x00)


def test_a_chip_is_decoration_in_the_trackers_look():
    chips = {chip(look) for look in assign_looks(str(number) for number in range(24)).values()}
    assert len(chips) == 24
    assert all('aria-hidden="true"' in one and " id=" not in one for one in chips)

"""Many trainings with one thing changed at a time, measured alike: what `tools/study.py` runs.

    plan      the grid: variants x budgets x seeds
    loading   study files, and what they may not ask for
    sources   where it trains, measures and keeps things
    measure   what is measured of one trained tracker
    cell      one training and its measurement
    rows      what is known so far, a line a cell
    facts     what a run directory says of its training
    held_out  losses on pairs that nothing was trained on
    interval  a difference and how far it can be trusted
    compare   variants against each other, over seeds and sequences
    tables, figure, document  the chapter
    command   all of it, over processes
"""

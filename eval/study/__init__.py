"""Many trainings with one thing changed at a time, measured alike: what `tools/study.py` runs.

    plan      the grid: variants x budgets x seeds
    measure   what is measured of one trained tracker
    cell      one training and its measurement
    rows      what is known so far, a line a cell
    compare   differences between variants, paired over targets and batches
    document  tables and plots
    command   all of it, over processes
"""

"""One readable page for a whole comparison, from the result folders that the `run_*.py` commands write.

`gather` reads the folders, `groups` joins the seeds of one method, `statistics` says what is more than chance,
`tables`, `figures` and `filmstrips` show it, `sections` put it together for a dataset and `page` for all of them.
"""

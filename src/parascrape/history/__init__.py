"""What is known of the runs of a job file: a summary of each, kept in a small SQLite database beside it.

    begin --> runs (unfinished) --> finish(summary) --> recent --> guards, `scrape history`
                                          |
                                          +--> files (name, size, time) --> outputs --> retention

Losing the database loses history, never records: no fault of it is an error of a harvest.
"""

from __future__ import annotations

from parascrape.jobs.history import History, Output, history_path
from parascrape.jobs.output_stats import Facts, summarise_output
from parascrape.jobs.summary import Changes, Summary

__all__ = ["Changes", "Facts", "History", "Output", "Summary", "history_path", "summarise_output"]

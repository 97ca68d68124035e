"""Lists in, records out: lists, ledger, sink, previous output, diff, quarantine, duplicates."""

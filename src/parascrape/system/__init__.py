"""The machine below: files replaced whole, locks, signals, processes, memory, SQLite, quantities, printable text."""

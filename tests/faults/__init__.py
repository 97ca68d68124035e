"""Faults on purpose: kills, full disks, too few descriptors. All of them: ``pytest -m slow tests/faults``"""

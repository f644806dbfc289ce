"""The parts of scripts/doctor.py: observations, checks that judge them, and how they are told.

Each module of checks ends in a tuple `CHECKS`; `scripts/doctor.py` puts them in the order in which
a person would look.
"""

"""Trains the digit model of the browser page; see README.md beside this package."""

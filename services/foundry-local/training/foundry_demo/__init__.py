"""Trains `foundry-demo`, the small built-in model; the data half needs only the standard library."""

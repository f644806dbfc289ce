"""Trains `foundry-demo`, the built-in model; writing its data needs no packages."""

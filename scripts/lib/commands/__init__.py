"""What the five scripts do; each is called by the small file of its name in `scripts`."""

"""What the stack needs of a machine."""

NEEDED_DISK_BYTES = 6 * 1024**3
"""For the images."""
NEEDED_MEMORY_BYTES = 3 * 1024**3
"""That Docker may use."""

"""What the stack needs of a machine."""

NEEDED_DISK_BYTES = 12 * 1024**3
"""For the official images and ours on top of them."""
NEEDED_DISK_BYTES_OFFLINE = 6 * 1024**3
"""For ours on top of those made from packages."""
NEEDED_MEMORY_BYTES = 3 * 1024**3
"""That Docker may use."""

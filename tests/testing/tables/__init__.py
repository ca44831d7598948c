"""One table a vendor, written from its page: calls it accepts, calls it refuses, replies as they look."""

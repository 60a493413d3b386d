"""From what people wrote to what it says; every fault has its place, and all are told at once."""

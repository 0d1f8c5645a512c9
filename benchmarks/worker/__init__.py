"""What observing a worker costs it: ours beside what others use, with real workers in one run."""

"""Real programs for tests: each helper starts one on a free port and ends exactly that process."""

"""The benchmarks run, and their arithmetic is right. Measured figures are not tested."""

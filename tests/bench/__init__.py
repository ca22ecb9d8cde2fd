"""The harness runs, and its arithmetic is right. What it measures is no test's business."""

"""Internal: evaluating trained networks beyond their error: classes, calibration, noise, light, test-time views."""

"""The tests of the codec: pure values in, values out."""

"""Which test holds which rule, attack and fault: `table` has the shape, the other files the rows."""

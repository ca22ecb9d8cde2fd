"""The client, against servers that each test writes octet by octet."""

"""The providers' own SDKs, pointed at the mock through the gateway."""

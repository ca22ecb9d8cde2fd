"""The providers' own SDKs, pointed at the mock: directly, and through the gateway."""

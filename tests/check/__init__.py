"""The scorecards: their values and forms, and each check against sound and broken peers."""

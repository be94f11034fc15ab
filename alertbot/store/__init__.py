"""Behind all stations: every event once, in one transaction with all that follows from it. See `store`."""

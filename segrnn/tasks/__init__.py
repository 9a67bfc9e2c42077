"""The work of each command. Importing any of these modules loads torch."""

"""What the commands do, each with its imports on top. Importing one of them loads torch."""

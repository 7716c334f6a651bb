"""What is to be done, and what is known: jobs, their state file, and the steps that move them."""

"""What is to be run: a request resolved into experiments, each setting with its source."""

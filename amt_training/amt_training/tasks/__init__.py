"""What is trained: a network, its loss, and how a batch becomes both."""

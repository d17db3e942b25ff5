"""What the page costs, and how fast it is."""

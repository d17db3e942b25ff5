"""What scenarios are compared with: the least that a server can be asked, and what is written in an afternoon."""

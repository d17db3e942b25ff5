"""What older releases have left of a namespace is brought into the form of this one, and the layout is raised."""

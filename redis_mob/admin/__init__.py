"""What operators ask of a server: the rights that a namespace needs, and the doctor that examines it."""

"""What operators need: the rights of a namespace, the doctor that examines a server, and losses that are accepted."""

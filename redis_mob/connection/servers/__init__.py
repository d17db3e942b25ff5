"""Which server holds a namespace, how it is reached, and how one request gets there and back."""

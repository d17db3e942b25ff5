"""The store contracts on sqlite3, built as differently from our own backends as can be.

It shows that the conformance suite fits more than the two backends it was written beside: rows hold whole JSON
documents, values are compared decoded, and subscribers poll.
"""

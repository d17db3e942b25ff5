"""The commands, a module for each: its options, and what it does with their values.

The help of the command is asked for often and needs the options alone, so that what a command does is imported when it
is called.
"""

"""The commands of ``cci``, a module for each group; every one is thin and calls a function of the daemon."""

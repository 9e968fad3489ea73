"""The workplace made real: composition root, sweep, ledger, scheduler and command line."""

"""One module a command; what it draws with is beside this package."""

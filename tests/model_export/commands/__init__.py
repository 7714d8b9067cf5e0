"""The command line of training, a command group a module."""

"""The command line of training, one file a command group: corpus, train, evaluate, export."""

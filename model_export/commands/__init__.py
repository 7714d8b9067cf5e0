"""The command line of training, one file a command group: corpus, caption, train, evaluate, export, reword."""

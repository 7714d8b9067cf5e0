"""Work off the event loop: lanes of threads, the text stage, decoding in processes of its own."""

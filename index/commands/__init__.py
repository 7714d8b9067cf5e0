"""The command line of the library, one file a command group: build, upkeep, search, describe.

Results go to stdout (tables for people, or with --json one JSON document and nothing else), progress and
failures to stderr. Exit codes: 0 done, 1 some inputs failed or the library has drifted, 2 wrong use, 130
stopped with Ctrl-C. Errors rise to the command line's root, which prints them.
"""

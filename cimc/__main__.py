"""`python -m cimc`: the command line, where no `cimc` is on the path."""

from cimc.cli import main

if __name__ == "__main__":
    main()

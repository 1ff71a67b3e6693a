"""`python -m nucloop` is the command `nucloop`."""

from nucloop.cli import main

if __name__ == "__main__":
    main()

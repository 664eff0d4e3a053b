"""`python -m divmetrics` is the command `divmetrics`."""

from divmetrics.cli import main

if __name__ == "__main__":
    main()

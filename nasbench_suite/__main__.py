"""`python -m nasbench_suite`: the command line where it is not installed as a script."""

from nasbench_suite.cli import main

if __name__ == "__main__":
    main()

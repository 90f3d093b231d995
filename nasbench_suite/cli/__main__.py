"""`python -m nasbench_suite.cli`: the command line without the installed script."""

from nasbench_suite.cli.app import main

if __name__ == "__main__":
    main()

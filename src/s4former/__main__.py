"""``python -m s4former`` is the command ``s4former``."""

from s4former.cli.main import main

main()

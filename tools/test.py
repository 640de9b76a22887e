"""Kept for mmsegmentation's users: see `--help`, and `s4former val`."""

try:
    from s4former.compat.mmseg_test import main
except ModuleNotFoundError as error:
    raise SystemExit(
        f"error: {error}; type 'make setup' in the repository and use .venv/bin/python, or 'pip install -e .'"
    ) from None

main()

"""Kept for mmsegmentation's users: see `--help`, and `s4former train`."""

try:
    from s4former.compat.mmseg_train import main
except ModuleNotFoundError as error:
    raise SystemExit(
        f"error: {error}; type 'make setup' in the repository and use .venv/bin/python, or 'pip install -e .'"
    ) from None

main()

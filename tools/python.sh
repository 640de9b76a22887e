# Sets $python to the interpreter that has s4former: $PYTHON, the active one, or this repository's own.
python=
# The whole path, as Python finds its environment by the text of it, and ".." behind a link misleads.
home=$(cd -P "$tools" && cd -P .. && pwd -P)
for candidate in ${PYTHON:+"$PYTHON"} python python3 "$home/.venv/bin/python"; do
    # Found, not imported, which would take as long again as the command itself.
    if "$candidate" -c 'import sys; from importlib.util import find_spec as f
sys.exit(not all(map(f, ("s4former", "torch", "typer"))))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "error: s4former is not installed; type 'make setup' in the repository, or 'pip install -e .'," \
        "or set PYTHON to an interpreter that has it" >&2
    exit 1
fi

# Sets $python to the interpreter that has s4former: $PYTHON, the active one, or this repository's own.
python=
for candidate in ${PYTHON:+"$PYTHON"} python python3 "$tools/../.venv/bin/python"; do
    if "$candidate" -c 'import s4former' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "error: s4former is not installed; type 'make setup' in the repository, or 'pip install -e .'," \
        "or set PYTHON to an interpreter that has it" >&2
    exit 1
fi

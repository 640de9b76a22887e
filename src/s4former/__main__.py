"""``python -m s4former`` is the command ``s4former``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; prediction with an ``.onnx`` file needs none of what the rest imports."""
    from s4former.cli import predict_onnx

    if predict_onnx.is_asked_for(sys.argv[1:]):
        sys.exit(predict_onnx.main(sys.argv[1:]))
    from s4former.cli.main import main as whole

    whole()


if __name__ == "__main__":
    main()

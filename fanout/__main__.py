"""`python -m fanout`."""

from __future__ import annotations

from fanout.cli.main import main

if __name__ == "__main__":
    main()

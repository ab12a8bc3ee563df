"""Where ledgers lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanout.ledger.disk import filesystem_of, refuse_network
from fanout.model.errors import LedgerError

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:45 / /home rw shared:9 - nfs4 server:/home rw,vers=4.2
32 31 254:1 / /home/local\040disk rw - xfs /dev/vdb rw
33 22 0:46 / /mnt/team rw - cifs //server/team rw
34 22 0:47 / /mnt/remote rw - fuse.sshfs me@host: rw
a line that says nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", "ext4"),
        ("/home/me/x", "nfs4"),
        ("/homes/x", "ext4"),
        ("/home/local disk/x", "xfs"),
        ("/mnt/team", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path, kind):
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_where_mounts_are_not_known_nothing_is_refused(tmp_path):
    assert filesystem_of(tmp_path, "") == ""
    refuse_network(tmp_path, "")


@pytest.mark.parametrize("path", ["/home/me", "/mnt/team/x", "/mnt/remote"])
def test_a_network_file_system_is_refused_with_what_to_do(path):
    with pytest.raises(LedgerError, match="network file system") as caught:
        refuse_network(Path(path), MOUNTS)
    assert "FANOUT_HOME" in caught.value.hint


@pytest.mark.parametrize("path", ["/var", "/home/local disk"])
def test_a_local_disk_is_taken(path):
    refuse_network(Path(path), MOUNTS)

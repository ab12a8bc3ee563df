"""Only what pyproject.toml cannot say: an editable install as plain paths, which type checkers can follow too.

setuptools answers a layout with two roots (fanout/ and plugins/fanout_plugins/) with an import hook; mypy does not run
hooks and would find neither package.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command import editable_wheel

ROOT = Path(__file__).parent


class EditableAsPaths(editable_wheel.editable_wheel):
    """An editable wheel that holds one .pth file with both roots."""

    def _select_strategy(self, name, tag, build_lib):  # noqa: ARG002  # the signature is setuptools'
        return editable_wheel._StaticPth(self.distribution, name, [ROOT, ROOT / "plugins"])


setup(cmdclass={"editable_wheel": EditableAsPaths})

"""Finds the templates of packaged stages: a folder ``templates`` next to the stage's module."""

import sys
from pathlib import Path

from django.template.loaders.filesystem import Loader as FilesystemLoader

from flows.registry import stages


class Loader(FilesystemLoader):
    """The last template loader, so that no third party's template overrides one of Foyer's."""

    def get_dirs(self) -> list[str | Path]:
        modules = {sys.modules[stage.__module__] for stage in stages().values()}
        folders = (
            Path(module.__file__).parent / "templates"
            for module in modules
            if module.__package__ and module.__file__
        )
        return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))

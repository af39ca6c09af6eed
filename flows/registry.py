"""Finds the stages: modules of ``settings.STAGE_PACKAGES`` and entry points of the group ``idp.stages``."""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from django.conf import settings

from flows.settings import StageSettings
from flows.stage import Stage


class BrokenStage(Exception):
    """A stage breaks the contract; the message names its file and what to fix."""


@lru_cache(maxsize=1)
def stages() -> dict[str, type[Stage]]:
    """Return every stage by its kind.

    Raise BrokenStage, so that a broken stage stops the server at start-up and not a visitor later.
    """
    found: dict[str, type[Stage]] = {}
    for kind, module in _stage_modules():
        stage = _stage_of(module, kind)
        if kind in found:
            raise BrokenStage(
                f"Two stages have the name {kind}: {found[kind].__module__} and {module.__name__}."
            )
        stage.kind = kind
        found[kind] = stage
    return dict(sorted(found.items()))


def _stage_modules() -> Iterator[tuple[str, ModuleType]]:
    for package in settings.STAGE_PACKAGES:
        for module in pkgutil.iter_modules(import_module(package).__path__):
            if not module.ispkg:
                yield module.name, _import_stage_module(f"{package}.{module.name}")
    for point in entry_points(group="idp.stages"):
        yield point.name, _import_stage_module(point.value)


def _import_stage_module(path: str) -> ModuleType:
    try:
        return import_module(path)
    except Exception as error:
        raise BrokenStage(f"{path} cannot be imported: {error!r}") from error


def _stage_of(module: ModuleType, kind: str) -> type[Stage]:
    own = [
        each
        for each in vars(module).values()
        if inspect.isclass(each)
        and issubclass(each, Stage)
        and each is not Stage
        and each.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise BrokenStage(f"{module.__name__} must define exactly one stage, not {len(own)}.")
    stage = own[0]
    missing = [
        *(["a title"] if not stage.title else []),
        *(["a docstring"] if not stage.__doc__ else []),
        *(["Settings derived from StageSettings"] if not issubclass(stage.Settings, StageSettings) else []),
        *(
            ["its own enter or submit method"]
            if stage.enter is Stage.enter and stage.submit is Stage.submit
            else []
        ),
        *(
            f"a default for the setting {name}"
            for name, each in stage.Settings.model_fields.items()
            if each.is_required()
        ),
    ]
    if missing:
        raise BrokenStage(f"{module.__name__} ({kind}) lacks {', '.join(missing)}.")
    return stage

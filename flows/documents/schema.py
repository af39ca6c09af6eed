"""JSON Schema of the flow document with the settings of every installed stage.

Editors, the API and the builder use it.
"""

from typing import Any

from flows.documents.document import FlowDocument
from flows.registry import stages
from flows.settings import resolve_lazy_text
from flows.stage import Stage


def settings_schema(stage: type[Stage], references: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the schema of one stage's settings, with titles in the active language.

    ``references``: where its nested models will be found.
    """
    schema = dict(resolve_lazy_text(stage.Settings.model_json_schema(ref_template=references)))
    for name, default in stage.Settings().model_dump(mode="json").items():
        # pydantic would write the default 10m as PT10M
        schema["properties"][name]["default"] = default
    return {**schema, "title": str(stage.title)}


def document_schema() -> dict[str, Any]:
    """Return the schema of a flow, where each step's ``settings`` are those of its ``stage``."""
    schema = dict(resolve_lazy_text(FlowDocument.model_json_schema(by_alias=True)))
    step = schema["$defs"]["StepDocument"]
    del step["required"]  # the ID defaults to the name of the stage, group or flow
    step["oneOf"] = [{"required": [kind]} for kind in ("stage", "group", "flow")]
    step["properties"]["stage"]["enum"] = list(stages())
    step["allOf"] = []
    for kind, stage in stages().items():
        settings = settings_schema(stage, f"#/$defs/{kind}.{{model}}")
        schema["$defs"] |= {f"{kind}.{name}": part for name, part in settings.pop("$defs", {}).items()}
        step["allOf"].append(
            {"if": {"properties": {"stage": {"const": kind}}}, "then": {"properties": {"settings": settings}}}
        )
    return schema

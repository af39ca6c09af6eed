"""The result of a condition, without a flow around it."""

from flows.conditions.expressions import compile_condition
from idp.foundation.condition_variables import EvaluationContext


def applies(source: str, context: EvaluationContext) -> bool:
    """Return whether the condition is true; raise ConditionFailed."""
    return compile_condition(source).evaluate(context)[0]

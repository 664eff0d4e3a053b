"""What the API reference cannot read from the source: signatures made at import, types of what is returned.

`score`, `extract` and `Meter` take the fields of a record as arguments; their source shows only the record.
"""

import inspect
import re
from importlib import import_module

import griffe


class AsImported(griffe.Extension):
    """Show functions as they are when they have been imported."""

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """Called by griffe once for each function that it has read."""
        if any("called_with(" in str(decorator.value) for decorator in func.decorators):
            self._replace(func)
        if func.docstring is not None:  # else a colon in the text would end what is taken for the type
            returned = rf"\g<1>{func.returns}: "
            func.docstring.value = re.sub(r"((?:^|\n)Returns:\n +)", returned, func.docstring.value, count=1)

    def _replace(self, func: griffe.Function) -> None:
        """Signature and docstring of a function decorated with `called_with`: those that Python has."""
        found = import_module(func.module.path)
        for part in func.path.removeprefix(f"{func.module.path}.").split("."):
            found = getattr(found, part)
        if func.docstring is not None:
            func.docstring.value = inspect.getdoc(found) or ""
        func.parameters = griffe.Parameters(*map(_parameter, inspect.signature(found).parameters.values()))


def _parameter(given: inspect.Parameter) -> griffe.Parameter:
    annotation = None if given.annotation is given.empty else inspect.formatannotation(given.annotation)
    return griffe.Parameter(
        given.name,
        annotation=annotation and re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", annotation),
        kind=griffe.ParameterKind[given.kind.name.lower()],
        default=None if given.default is given.empty else repr(given.default),
    )

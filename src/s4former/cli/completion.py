"""What a shell completes (`s4former --install-completion`): names that the package knows."""

from __future__ import annotations


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipes that begin so; none: the shell offers files."""
    from s4former.recipes import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def complete_method(incomplete: str) -> list[str]:
    """Return the methods that begin so."""
    from s4former.methods import method_names

    return [name for name in method_names() if name.startswith(incomplete)]

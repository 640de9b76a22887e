"""Pure functions of tensors: the parts of which methods are made, without modules, state or files."""

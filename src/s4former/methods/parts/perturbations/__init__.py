"""Perturbations by name, one file each: what ``method.perturb`` lists, in any method with pseudo-labels."""

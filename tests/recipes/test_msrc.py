"""The recipe of the photographs that most measurements were made on."""

from __future__ import annotations

from s4former.recipes import load_run


def test_s4former_plus_is_what_was_measured_as_unimatch_v2_with_pasa() -> None:
    measured = load_run("msrc", ["method.name=unimatch_v2", "method.pasa=true"])[0]
    plus = load_run("msrc.plus", [])[0]
    fields = plus.method.model_dump()
    assert fields.pop("class_mix_probability") == 0
    assert fields == {**measured.method.model_dump(), "name": "s4former_plus"}
    assert plus.model_copy(update={"method": measured.method}) == measured

"""Odd ``dataset.yaml`` files."""

from __future__ import annotations

from odd_sets import Accepted, Cases, OddSet, Refused

from s4former.config import UserError

CASES = case = Cases()


@case(Refused("there is no such file", "dataset.yaml", error=UserError))
def no_file(data: OddSet) -> None:
    data.fields = {}


@case(Refused("dataset.yaml", "is empty", error=UserError))
def an_empty_file(data: OddSet) -> None:
    data.text("dataset.yaml", "")


@case(Refused("dataset.yaml", "line 2", error=UserError))
def broken_yaml(data: OddSet) -> None:
    data.text("dataset.yaml", "names: [ground, red\nlabeled: {images: images")


@case(Refused("dataset.yaml", error=UserError))
def yaml_with_tabs(data: OddSet) -> None:
    data.text("dataset.yaml", "names: [ground]\nlabeled:\n\timages: images\n")


@case(Refused("dataset.yaml", "UTF-8", error=UserError))
def a_file_in_an_old_encoding(data: OddSet) -> None:
    data.path("dataset.yaml").write_bytes("names: [Brücke]\nlabeled: {}\n".encode("latin-1"))


@case(Accepted())
def a_file_from_windows(data: OddSet) -> None:
    data.text(
        "dataset.yaml",
        "\ufeffnames: [ground, red, blue]\r\nlabeled: {images: images, masks: masks}\r\n"
        "unlabeled: {images: unlabeled}\r\nval: {images: val/images, masks: val/masks}\r\n",
    )


@case(Refused("unlabelled", "unlabeled"))
def a_misspelled_part(data: OddSet) -> None:
    data.fields["unlabelled"] = data.fields.pop("unlabeled")


@case(Refused("mask_sufix", "mask_suffix"))
def a_misspelled_field(data: OddSet) -> None:
    data.fields["labeled"]["mask_sufix"] = "_mask"


@case(Refused("names"))
def names_that_are_a_number(data: OddSet) -> None:
    data.fields["names"] = 3


@case(Refused("names"))
def no_names(data: OddSet) -> None:
    del data.fields["names"]


@case(Refused("1 to 255 classes"))
def an_empty_list_of_names(data: OddSet) -> None:
    data.fields["names"] = []


@case(Accepted())
def names_by_number(data: OddSet) -> None:
    data.fields["names"] = {0: "ground", 1: "red", 2: "blue"}


@case(Accepted())
def names_that_are_numbers(data: OddSet) -> None:
    data.fields["names"] = [2019, 2020, 2021]


@case(Refused("class names must differ", "red"))
def two_classes_of_one_name(data: OddSet) -> None:
    data.fields["names"] = ["ground", "red", "red"]


@case(Refused("mask value 1 is both the class 'red' and the class 'blue'"))
def two_classes_with_one_value(data: OddSet) -> None:
    data.fields["names"] = ["ground", {"name": "red", "values": [1, 2]}, {"name": "blue", "values": [1]}]


@case(Refused("mask value 2 is both the class 'blue' and a value to ignore"))
def a_value_that_is_a_class_and_ignored(data: OddSet) -> None:
    data.fields["ignore"] = [2]


@case(Accepted())
def a_negative_value(data: OddSet) -> None:
    data.fields["ignore"] = [-1]


@case(Accepted("absent_class"))
def a_value_of_17_bits(data: OddSet) -> None:
    data.fields["names"].append({"name": "far", "values": [70000]})


@case(Refused("5000000000", "whole number from -2147483648 to 4294967295"))
def a_value_too_large(data: OddSet) -> None:
    data.fields["names"][2] = {"name": "blue", "values": [5_000_000_000]}


@case(Refused("got []", "class without values"))
def a_class_without_values(data: OddSet) -> None:
    data.fields["names"][2] = {"name": "blue", "values": []}


@case(Refused("mask value [0, 0, 0] is both the class 'ground' and a value to ignore"))
def a_color_to_ignore_that_is_a_class(data: OddSet) -> None:
    data.fields["names"][0] = {"name": "ground", "values": [[0, 0, 0]]}
    data.fields["ignore"] = [0, 0, 0]


@case(Refused("'red'", "color as [255, 0, 0]"))
def a_color_in_words(data: OddSet) -> None:
    data.fields["names"][1] = {"name": "red", "values": ["red"]}


@case(Refused("color", "300"))
def a_color_out_of_range(data: OddSet) -> None:
    data.fields["names"][1] = {"name": "red", "color": [300, 0, 0]}


@case(Accepted("absent_class", words=("147 of 150 classes", "class_3")))
def many_classes(data: OddSet) -> None:
    data.fields["names"] = [f"class_{index}" for index in range(150)]


@case(Refused("1 to 255 classes, got 256"))
def too_many_classes(data: OddSet) -> None:
    data.fields["names"] = [f"class_{index}" for index in range(256)]


@case(Refused("labeled"))
def no_labeled_split(data: OddSet) -> None:
    del data.fields["labeled"]


@case(Refused("labeled", "has no images", "images: DIR"))
def a_labeled_part_without_images(data: OddSet) -> None:
    del data.fields["labeled"]["images"]


@case(Refused("labeled", "neither masks nor annotations"))
def a_labeled_part_without_masks(data: OddSet) -> None:
    del data.fields["labeled"]["masks"]


@case(Refused("masks and annotations", "keep the one"))
def masks_and_annotations(data: OddSet) -> None:
    data.fields["labeled"]["annotations"] = "coco.json"


@case(Refused("val", "0.2", "s4former init IMAGES --val 0.2"))
def val_as_a_share(data: OddSet) -> None:
    data.fields["val"] = 0.2


@case(Refused("labeled"))
def a_part_that_is_a_folder_name(data: OddSet) -> None:
    data.fields["labeled"] = "images"


@case(Refused("s4former-dataset/9", "s4former-dataset/1"))
def a_version_from_the_future(data: OddSet) -> None:
    data.fields["format"] = "s4former-dataset/9"


@case(Refused("names", error=UserError))
def a_list_at_the_top(data: OddSet) -> None:
    data.text("dataset.yaml", "- names\n- labeled\n")


@case(Refused("outside is 'sky'", "ground, red, blue"))
def an_unknown_class_outside(data: OddSet) -> None:
    data.fields["labeled"]["outside"] = "sky"


@case(Refused("channels"))
def no_channels(data: OddSet) -> None:
    data.fields["channels"] = 0


@case(Refused("crop_sise", "crop_size", error=UserError))
def a_misspelled_override(data: OddSet) -> None:
    data.changes = ["data.crop_sise=16"]

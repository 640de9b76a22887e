"""Odd names, folders and lists."""

from __future__ import annotations

import os
import shutil

from odd_sets import Accepted, Cases, Flawed, OddSet, Refused

CASES = case = Cases()


@case(Accepted())
def nothing_odd(data: OddSet) -> None:
    pass


@case(Accepted(counts=(4, 4, 2, 0)))
def spaces_and_unicode_in_names(data: OddSet) -> None:
    data.pair("Weiß brücke 01 (2)")
    data.image("unlabeled/日本 画像.png")


@case(Accepted(counts=(4, 4, 2, 0)))
def upper_case_endings(data: OddSet) -> None:
    data.image("images/B.JPG", quality=95)
    data.mask("masks/B.PNG")
    data.image("unlabeled/C.TIFF")


@case(Accepted(counts=(4, 3, 2, 0)))
def masks_in_another_case(data: OddSet) -> None:
    data.image("images/IMG_7.png")
    data.mask("masks/img_7.png")


@case(Accepted())
def files_of_the_system(data: OddSet) -> None:
    for folder in ("images", "masks", "unlabeled"):
        data.text(f"{folder}/.DS_Store", "x")
        data.text(f"{folder}/Thumbs.db", "x")
        data.text(f"{folder}/._a0.png", "x")
    data.text("unlabeled/.thumbnails/u0.png", "x")


@case(Accepted())
def notes_and_tables_beside_images(data: OddSet) -> None:
    data.text("images/README.txt", "by hand")
    data.text("images/sizes.csv", "a0,40,48")


@case(Accepted(counts=(5, 3, 2, 0)))
def same_names_in_subfolders(data: OddSet) -> None:
    for day in ("monday", "tuesday"):
        data.image(f"images/{day}/x.png")
        data.mask(f"masks/{day}/x.png")


@case(Refused("none of 3 masks", "subfolders"))
def masks_in_other_subfolders_than_images(data: OddSet) -> None:
    (data.root / "masks").rename(data.root / "flat")
    shutil.move(data.root / "flat", data.path("masks/all"))


@case(Accepted(counts=(4, 3, 2, 0)))
def images_that_are_links(data: OddSet) -> None:
    data.image("elsewhere/b.png")
    os.symlink(data.root / "elsewhere/b.png", data.root / "images/b.png")
    data.mask("masks/b.png")


@case(Accepted())
def a_folder_that_is_a_link(data: OddSet) -> None:
    (data.root / "unlabeled").rename(data.root / "far")
    os.symlink(data.root / "far", data.root / "unlabeled")


@case(Accepted("unreadable_image", counts=(3, 4, 2, 0), words=("no such file", "unlabeled/gone.png")))
def an_unlabeled_link_to_nowhere(data: OddSet) -> None:
    os.symlink(data.root / "nowhere.png", data.root / "unlabeled/gone.png")


@case(Flawed("unreadable_image", words=("images/b.png")))
def a_labeled_link_to_nowhere(data: OddSet) -> None:
    os.symlink(data.root / "nowhere.png", data.root / "images/b.png")
    data.mask("masks/b.png")


@case(Accepted())
def a_folder_named_like_an_image(data: OddSet) -> None:
    data.text("images/old.png/readme.txt", "x")


@case(Refused("a0.jpg", "a0.png", "differ in nothing but the ending", "image_suffix"))
def two_images_with_one_stem(data: OddSet) -> None:
    data.image("images/a0.jpg")


@case(Refused("has two masks", "mask_suffix"))
def two_masks_with_one_stem(data: OddSet) -> None:
    data.mask("masks/a0.tif")


@case(Accepted("matching", words=("1 masks belong to no image", "b.png")))
def a_mask_without_image(data: OddSet) -> None:
    data.mask("masks/b.png")


@case(Accepted(counts=(3, 3, 2, 0)))
def an_image_without_mask_is_not_labeled(data: OddSet) -> None:
    data.image("images/b.png")


@case(Refused("1 of 3 val images have no mask", "val/images/v2"))
def a_val_image_without_mask(data: OddSet) -> None:
    data.image("val/images/v2.png")


@case(Refused("there is no folder", "labelled"))
def no_folder_of_images(data: OddSet) -> None:
    data.fields["labeled"]["images"] = "labelled"


@case(Refused("there is no folder", "masks_v2"))
def no_folder_of_masks(data: OddSet) -> None:
    data.fields["labeled"]["masks"] = "masks_v2"


@case(Refused("there is no image in", "expected files that end in .jpg"))
def an_empty_folder_of_images(data: OddSet) -> None:
    (data.root / "empty").mkdir()
    data.fields["labeled"]["images"] = "empty"


@case(Refused("there is no mask in"))
def an_empty_folder_of_masks(data: OddSet) -> None:
    (data.root / "empty").mkdir()
    data.fields["labeled"]["masks"] = "empty"


@case(Refused("there is no image in", "expected files that end in .jpg"))
def only_files_of_other_kinds(data: OddSet) -> None:
    data.text("scans/a.czi", "x")
    data.fields["unlabeled"]["images"] = "scans"


@case(Refused("images/a0.png", "is a file"))
def a_file_where_a_folder_belongs(data: OddSet) -> None:
    data.fields["labeled"]["images"] = "images/a0.png"


@case(Refused("none of 3 masks", "their names suggest: mask_suffix: _mask"))
def masks_with_an_unsaid_suffix(data: OddSet) -> None:
    for stem in ("a0", "a1", "a2"):
        (data.root / f"masks/{stem}.png").rename(data.root / f"masks/{stem}_mask.png")


@case(Accepted())
def masks_with_a_suffix(data: OddSet) -> None:
    masks_with_an_unsaid_suffix(data)
    data.fields["labeled"]["mask_suffix"] = "_mask"


@case(Accepted("no_unlabeled", counts=(3, 0, 2, 0)))
def images_and_masks_in_one_folder(data: OddSet) -> None:
    masks_with_a_suffix(data)
    for stem in ("a0", "a1", "a2"):
        (data.root / f"masks/{stem}_mask.png").rename(data.root / f"images/{stem}_mask.png")
    data.fields["labeled"]["masks"] = "images"
    del data.fields["unlabeled"]


@case(Refused("would be its own mask", "mask_suffix"))
def images_and_masks_in_one_folder_without_rule(data: OddSet) -> None:
    data.fields["labeled"]["masks"] = "images"


@case(Accepted())
def masks_below_the_images(data: OddSet) -> None:
    (data.root / "masks").rename(data.root / "images/masks")
    data.fields["labeled"]["masks"] = "images/masks"


@case(Accepted())
def unlabeled_folder_is_that_of_all_images(data: OddSet) -> None:
    shutil.copytree(data.root / "unlabeled", data.root / "images", dirs_exist_ok=True)
    data.fields["unlabeled"]["images"] = "images"


@case(Accepted())
def folders_above_the_file(data: OddSet) -> None:
    data.text("inner/x", "")
    (data.root / "unlabeled").rename(data.root / "beside")
    data.fields["unlabeled"]["images"] = "inner/../beside"


@case(Accepted())
def a_folder_in_full(data: OddSet) -> None:
    data.fields["unlabeled"]["images"] = str(data.root / "unlabeled")


@case(Accepted(counts=(5, 3, 2, 0)))
def several_folders_with_their_masks(data: OddSet) -> None:
    data.pair("a0", "more/images", "more/masks")
    data.pair("a1", "more/images", "more/masks")
    data.fields["labeled"] = {"images": ["images", "more/images"], "masks": ["masks", "more/masks"]}


@case(Refused("has 3 folders of images and 2 of masks"))
def fewer_folders_of_masks_than_of_images(data: OddSet) -> None:
    data.fields["labeled"] = {"images": ["images", "more", "most"], "masks": ["masks", "more"]}


@case(Accepted("one_labeled_image", counts=(1, 3, 2, 0)))
def one_labeled_image(data: OddSet) -> None:
    data.remove("images/a1.png", "images/a2.png", "masks/a1.png", "masks/a2.png")


@case(Accepted("no_unlabeled", counts=(3, 0, 2, 0), words=("training is supervised",)))
def no_unlabeled_images(data: OddSet) -> None:
    del data.fields["unlabeled"]


@case(Accepted("no_val", counts=(3, 3, 0, 0), words=("--val 0.2",)))
def no_val(data: OddSet) -> None:
    del data.fields["val"]


@case(Accepted(counts=(3, 3, 2, 2)))
def a_test_part(data: OddSet) -> None:
    for stem in ("t0", "t1"):
        data.pair(stem, "test/images", "test/masks")
    data.fields["test"] = {"images": "test/images", "masks": "test/masks"}


@case(Refused("all 3 images with a mask are val images", "val.list"))
def val_is_all_that_is_labeled(data: OddSet) -> None:
    data.fields["val"] = dict(data.fields["labeled"])


@case(Accepted(counts=(2, 3, 1, 0)))
def val_is_a_list_of_labeled_images(data: OddSet) -> None:
    data.text("val.txt", "a1\n")
    data.fields["val"] = {"list": "val.txt"}


@case(Refused("1 labeled images are also val images", "a1", "labeled.list"))
def two_lists_share_an_image(data: OddSet) -> None:
    val_is_a_list_of_labeled_images(data)
    data.text("labeled.txt", "a0\na1\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Accepted(counts=(2, 3, 2, 0)))
def a_list_from_windows(data: OddSet) -> None:
    data.text("labeled.txt", "\ufeffimages\\a0.png\r\nimages\\a2.png\r\n\r\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Accepted(counts=(2, 3, 2, 0)))
def a_list_of_full_paths(data: OddSet) -> None:
    data.text("labeled.txt", f"{data.root}/images/a0.png\n/home/somebody/images/a2.png\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Accepted(counts=(2, 3, 2, 0)))
def a_list_of_pairs(data: OddSet) -> None:
    data.text("labeled.txt", "images/a0.png masks/a1.png\nimages/a1.png masks/a0.png\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("labeled.txt is empty"))
def an_empty_list(data: OddSet) -> None:
    data.text("labeled.txt", "\n \n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("cannot read the split list", "labeled.txt"))
def a_list_that_is_not_there(data: OddSet) -> None:
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("cannot read the split list", "masks"))
def a_list_that_is_a_folder(data: OddSet) -> None:
    data.fields["labeled"]["list"] = "masks"


@case(Refused("cannot read the split list", "UTF-8"))
def a_list_in_an_old_encoding(data: OddSet) -> None:
    data.path("labeled.txt").write_bytes("Brücke\n".encode("latin-1"))
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("names a0 more than once"))
def a_list_with_a_line_twice(data: OddSet) -> None:
    data.text("labeled.txt", "a0\na1\na0\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("2 of 3 images of the list", "b7, b8", "expected names such as images/a0"))
def a_list_of_unknown_images(data: OddSet) -> None:
    data.text("labeled.txt", "a0\nb7\nb8\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("1 of 2 images of the list", "have no mask", "images/b"))
def a_list_of_images_without_masks(data: OddSet) -> None:
    data.image("images/b.png")
    data.text("labeled.txt", "a0\nb\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Refused("means images/monday/x or images/tuesday/x", "write its folder too"))
def a_list_that_could_mean_two_images(data: OddSet) -> None:
    same_names_in_subfolders(data)
    data.text("labeled.txt", "x\n")
    data.fields["labeled"]["list"] = "labeled.txt"


@case(Accepted(counts=(3, 1, 2, 0)))
def a_list_of_unlabeled_images(data: OddSet) -> None:
    data.text("unlabeled.txt", "u1\n")
    data.fields["unlabeled"]["list"] = "unlabeled.txt"


@case(Flawed("leak", words=("val/images/v0.png = images/a0.png",), others=("contradiction",)))
def a_val_image_is_a_labeled_one(data: OddSet) -> None:
    shutil.copy(data.root / "images/a0.png", data.root / "val/images/v0.png")


@case(Flawed("leak", words=("1 of 2 test images are the same as labeled ones",)))
def a_test_image_is_a_labeled_one_in_another_format(data: OddSet) -> None:
    a_test_part(data)
    pixels = data.pixels()
    data.image("images/a0.png", pixels)
    data.remove("test/images/t0.png")
    data.image("test/images/t0.tif", pixels)
    shutil.copy(data.root / "masks/a0.png", data.root / "test/masks/t0.png")


@case(Accepted("near_leak", words=("val/images/v0.png ~ images/a0.jpg",)))
def a_val_image_was_saved_again(data: OddSet) -> None:
    smooth = data.smooth_picture()
    data.image("images/a0.png", smooth)
    data.remove("images/a0.png")
    data.image("images/a0.jpg", smooth, quality=60)
    data.image("val/images/v0.png", smooth)


@case(Accepted("leak", words=("without the mask",)))
def a_val_image_is_an_unlabeled_one(data: OddSet) -> None:
    shutil.copy(data.root / "val/images/v1.png", data.root / "unlabeled/u0.png")


@case(Accepted("leak", "contradiction", counts=(3, 3, 2, 2), words=("no surprise on test",)))
def a_test_image_is_a_val_one(data: OddSet) -> None:
    a_test_part(data)
    shutil.copy(data.root / "val/images/v0.png", data.root / "test/images/t1.png")


@case(Accepted("duplicate", counts=(3, 4, 2, 0), words=("unlabeled/u2.png = unlabeled/u2 copy.png",)))
def an_unlabeled_image_twice(data: OddSet) -> None:
    shutil.copy(data.root / "unlabeled/u2.png", data.root / "unlabeled/u2 copy.png")


@case(Accepted("labeled_and_unlabeled"))
def a_labeled_image_among_the_unlabeled(data: OddSet) -> None:
    shutil.copy(data.root / "images/a0.png", data.root / "unlabeled/u0.png")


@case(Accepted("duplicate", "contradiction", words=("masks/a0.png != masks/a1.png",)))
def one_image_with_two_masks(data: OddSet) -> None:
    shutil.copy(data.root / "images/a0.png", data.root / "images/a1.png")


@case(
    Accepted(
        "near_duplicate", counts=(3, 5, 2, 0), words=("look the same", "film_2.jpg ~ unlabeled/film_1.png")
    )
)
def frames_of_a_film(data: OddSet) -> None:
    smooth = data.smooth_picture()
    data.image("unlabeled/film_1.png", smooth)
    data.image("unlabeled/film_2.jpg", smooth, quality=80)

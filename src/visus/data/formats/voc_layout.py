"""Where the files of a data set in Pascal VOC's format lie, and which images belong to a split.

VOC's own layout is ``JPEGImages``, ``Annotations`` and ``ImageSets``. Any other folder with VOC's XML files is read as
well: in ``annotations``, ``annots`` or ``xmls`` beside a folder of images, or beside the images themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from visus.data.errors import DatasetNotFoundError
from visus.data.files.listed_files import FolderListing, read_lines
from visus.data.files.splits import SPLITS, divided, missing_split, split_called, split_lists
from visus.data.files.suffixes import SUFFIXES
from visus.data.files.walk import files_below, folded, visible, walk_files
from visus.data.formats.annotation_signs import is_annotation_xml

VOC_SPLITS = ("train", "val", "test", "trainval")
MASKS = ("SegmentationClass", "SegmentationObject")
_ANNOTATIONS = ("annotations", "annotation", "annots", "xmls", "xml")
_IMAGES = ("jpegimages", "images", "image", "imgs", "img")
_LOOKED_AT = 20  # XML files that decide whether a folder is VOC's


def find_voc(root: Path) -> Path:
    """The folder of the data set: ``root``, or the only year of a devkit below it.

    Raises:
        DatasetNotFoundError: there is none, or more than one.
    """
    if is_voc(root):
        return root
    years = sorted(folder for pattern in ("VOC*", "VOCdevkit/VOC*") for folder in root.glob(pattern) if is_voc(folder))
    if len(years) == 1:
        return years[0]
    if years:
        names = ", ".join(str(year) for year in years)
        raise DatasetNotFoundError(f"{root}: holds several years; name one of {names}")
    if has_xml(root):
        return root
    raise DatasetNotFoundError(
        f"{root}: {'no JPEGImages/ with Annotations/ or SegmentationClass/' if root.is_dir() else 'no such folder'}, "
        "as VOC's layout has them, and no XML file of VOC's in any other folder"
    )


def is_voc(root: Path) -> bool:
    """Whether a folder holds images and annotations as VOC's layout has them."""
    return (root / "JPEGImages").is_dir() and any((root / name).is_dir() for name in ("Annotations", MASKS[0]))


def has_xml(root: Path) -> bool:
    """Whether a folder has annotations of VOC's: below `xml_folder`, in itself, or in a folder in it.

    The first XML files say so; CVAT's own XML is another format.
    """
    place = xml_folder(root)
    if place != root:
        files = walk_files(place, (".xml",))
    else:
        inner = [path for path in visible(root) if path.is_dir()]
        folders = [root, *inner, *(place for path in inner if split_called(path.name) and (place := xml_folder(path)))]
        files = (path for folder in folders for path in visible(folder) if path.suffix.lower() == ".xml")
    return any(is_annotation_xml(file, "annotation") for file in islice(files, _LOOKED_AT))


def has_voc(root: Path, part: str) -> bool:
    """Whether a folder, or the only year of a devkit below it, has VOC's boxes or its folder ``part``."""
    try:
        folder = find_voc(root)
    except DatasetNotFoundError:
        return False
    return (folder / part).is_dir() or (part == "Annotations" and has_xml(folder))


def xml_folder(folder: Path) -> Path:
    """The folder of the annotations: one whose name says so, else the whole data set."""
    own = [path for path in visible(folder) if path.name.lower() in _ANNOTATIONS and path.is_dir()]
    ordered = sorted(own, key=lambda path: _ANNOTATIONS.index(path.name.lower()))
    return next(iter(ordered), folder)


def xml_files(folder: Path) -> dict[str, Path]:
    """The annotation files by their names: their path below `xml_folder` without the ending."""
    place = xml_folder(folder)
    return {file.relative_to(place).with_suffix("").as_posix(): file for file in files_below(place, (".xml",))}


class VocImages:
    """The images of a data set, by the names of their annotations.

    Args:
        folder: from `find_voc`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._default = next((path.name for path in visible(folder) if path.name.lower() in _IMAGES), "")
        for file in walk_files(folder):
            below = PurePosixPath(file.relative_to(folder).as_posix())
            if below.parts[0] not in MASKS:
                self._by_stem[folded(below.stem)].append(below)

    def find(self, name: str, filename: str = "") -> str:
        """The image of an annotation, relative to the folder.

        Args:
            name: of the annotation, as in `xml_files`.
            filename: what the annotation says; counts where no image has the name of the annotation.
        """
        for said in dict.fromkeys((name, filename.replace("\\", "/"), unquote(filename))):
            bare = PurePosixPath(said).name
            stem = bare[: -len(ending)] if (ending := PurePosixPath(bare).suffix).lower() in SUFFIXES else bare
            if stem and (found := self._by_stem.get(folded(stem))):
                wanted = PureWindowsPath(filename).name
                return min(found, key=lambda path: self._rank(path, name, stem, wanted)).as_posix()
        stem = PurePosixPath(name).name
        usual = PureWindowsPath(filename).name or f"{stem}.jpg"
        return "/".join(
            part for part in (self._default, usual if PurePosixPath(usual).stem == stem else f"{stem}.jpg") if part
        )

    def _rank(self, path: PurePosixPath, name: str, stem: str, wanted: str) -> tuple[object, ...]:
        """What makes an image the likelier one, of several with one name: the smaller, the likelier."""
        shared = len(set(path.parts[:-1]) & set(PurePosixPath(name).parts[:-1]))
        folder = path.parts[0].lower()
        usual = _IMAGES.index(folder) if folder in _IMAGES else len(_IMAGES)
        ending = SUFFIXES.index(path.suffix.lower())
        return (path.stem != stem, -shared, usual, path.name != wanted, ending, path.as_posix())

    def without(self, names: Iterable[str]) -> list[str]:
        """The images in a folder for images that have the name of no annotation."""
        known = {folded(PurePosixPath(name).name) for name in names}
        strays = [path for stem, paths in self._by_stem.items() if stem not in known for path in paths]
        return sorted(path.as_posix() for path in strays if path.parts[0].lower() in _IMAGES)


def listed_names(folder: Path, split: str, kind: str = "Main") -> list[str]:
    """The names of a split, in the order of ``ImageSets/KIND/SPLIT.txt``, each once.

    Without such lists the folders or lists of splits that are there divide the data set, or the same division as ever;
    one list alone whose name is no split (CVAT's ``default.txt``) is divided so.

    Raises:
        DatasetNotFoundError: there is no such split.
    """
    known, lists = _known(folder, kind), folder / "ImageSets" / kind
    files = [file for file in visible(lists) if file.suffix == ".txt"]
    there = {split_called(file.stem) or file.stem: file for file in files}
    if split in there:
        return _read(there[split], known)
    if split == "trainval" and there.keys() >= {"train", "val"}:
        return list(dict.fromkeys(name for part in ("train", "val") for name in _read(there[part], known)))
    if lists.is_dir() and (len(there) != 1 or set(there) & set(VOC_SPLITS)):
        said = missing_split(split, sorted(there, key=lambda name: (*SPLITS, name).index(name)))
        raise DatasetNotFoundError(f"{lists / f'{split}.txt'}: no such file: {lists} {said}")
    wanted = ("train", "val") if split == "trainval" else (split,)
    names = _read(files[0], known) if files else sorted(known)
    parts = {
        name: next((s for part in PurePosixPath(name).parts[:-1] if (s := split_called(part))), "") for name in names
    }
    own_lists = {} if files else split_lists(folder)
    if any(parts.values()):
        chosen, present = [name for name in names if parts[name] in wanted], {p for p in parts.values() if p}
    elif own_lists:
        chosen = [name for part in wanted if part in own_lists for name in _read(own_lists[part], known)]
        present = set(own_lists)
    else:
        return [names[place] for place in sorted(place for part in wanted for place in divided(len(names), part))]
    if not chosen and not present & set(wanted):
        raise DatasetNotFoundError(f"{folder}: {missing_split(split, [name for name in SPLITS if name in present])}")
    return list(dict.fromkeys(chosen))


def _known(folder: Path, kind: str) -> dict[str, str]:
    """The names that there are, by themselves and, where it is unique, by their last part."""
    if kind != "Main":
        return {name: name for name in FolderListing(folder / MASKS[0], (".png",)).stems()}
    return {name: name for name in xml_files(folder)}


def _read(listing: Path, known: dict[str, str]) -> list[str]:
    """The names in a list, whose lines may have endings, folders, and a second column."""
    last: dict[str, list[str]] = defaultdict(list)
    for name in known:
        last[PurePosixPath(name).name].append(name)
    names: list[str] = []
    for line in read_lines(listing):
        # The lists of one class say in a second column whether it is there; a name may hold blanks of its own.
        forms = [form for text in (line, line.split()[0]) for form in (text, _bare(text))]
        exact = next((form for form in forms if form in known), None)
        short = [PureWindowsPath(form.replace("\\", "/")).name for form in forms]
        single = next((last[name][0] for name in short if len(last.get(name, ())) == 1), None)
        names.append(exact or single or PureWindowsPath(_bare(line.split()[0])).name)
    return list(dict.fromkeys(names))


def _bare(text: str) -> str:
    ending = PurePosixPath(text).suffix
    return text[: -len(ending)] if ending.lower() in (*SUFFIXES, ".xml") else text

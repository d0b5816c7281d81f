"""What lies beside images and is none is passed over with a note: by content, or by its name."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from fixtures.cohorts import labels_of
from fixtures.dicoms import dataset, written
from PIL import Image

from trainable.images.decoding import decode
from trainable.images.dicom import is_dicom, read_element
from trainable.images.preprocessing import Limits
from trainable.reading.image_files import list_folder
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

REPORT, STATE, DIRECTORY, SEGMENTATION = (
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.5.1.4.1.1.66.4",
)


def drawn(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (40, 40), grey).save(path)


def without_picture(kind: str) -> bytes:
    found = dataset(SOPClassUID=kind)
    found.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(kind)
    del found.PixelData
    return written(found)


@pytest.mark.parametrize("ending", ["", ".dcm"])
def test_dicom_files_of_other_kinds_are_passed_over(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"IM1{ending}").write_bytes(written(dataset()))
    for number, kind in enumerate((REPORT, STATE, DIRECTORY, SEGMENTATION)):
        (tmp_path / f"x{number}{ending}").write_bytes(without_picture(kind))
    listed = list_folder(tmp_path)
    assert [path.name for path in listed.images] == [f"IM1{ending}"]
    (note,) = listed.notes(tmp_path)
    assert note.startswith("4 DICOM files without a picture")


@pytest.mark.parametrize("implicit", [True, False])
def test_dicom_files_without_a_preamble_are_read(tmp_path: Path, implicit: bool) -> None:
    whole, bare = dataset(PatientID="p1"), tmp_path / "1.2.3"
    expected = decode(written(whole), 32, Limits(0, 4095))
    del whole.file_meta
    pydicom.dcmwrite(
        bare, whole, implicit_vr=implicit, little_endian=True, enforce_file_format=False
    )
    assert is_dicom(bare)
    assert [path.name for path in list_folder(tmp_path).images] == ["1.2.3"]
    assert read_element(bare, "PatientID") == "p1"
    np.testing.assert_array_equal(decode(bare.read_bytes(), 32, Limits(0, 4095)), expected)


def test_files_of_other_kinds_are_no_dicom(tmp_path: Path) -> None:
    for data in (
        b"",
        b"text",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"\x08\0\xff\xff\xff\xff",
    ):
        assert not is_dicom(data)


@pytest.mark.parametrize(
    "mask", ["masks/{0}.png", "Mask/{0}_mask.png", "ManualMask/leftMask/{0}.png", "{0}_mask.png"]
)
def test_masks_of_images_are_passed_over(tmp_path: Path, mask: str) -> None:
    for label, name in enumerate(("Normal", "COVID")):
        for number in range(6):
            image = f"{name}-{number}"
            drawn(tmp_path / name / "images" / f"{image}.png", 40 * label + 5 * number)
            place = tmp_path / name / mask.format(image)
            drawn(tmp_path / name / "images" / place.name if "/" not in mask else place, 255)
    cohort = read_cohort(DataOptions(data=tmp_path, positive="COVID"))
    assert len(labels_of(cohort)) == 12
    assert any("12 masks of other images" in note for note in cohort.notes), cohort.notes


def test_images_that_are_only_called_so_stay(tmp_path: Path) -> None:
    drawn(tmp_path / "masks" / "a.png", 10)
    drawn(tmp_path / "unmasked" / "b.png", 20)
    drawn(tmp_path / "c_mask.png", 30)
    listed = list_folder(tmp_path)
    assert (len(listed.images), listed.masks) == (3, [])

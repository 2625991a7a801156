"""What a tar stream of the old `uploads` holds goes where it belongs; what belongs nowhere is named."""

import io
import tarfile
from pathlib import Path

import pytest

from app.storage import relocate
from app.storage.relocate import ALL, ATTACHMENTS, LOGOS, PICTURES, Kind, Move, Tally
from tests.storage.relocate.ground import archive, names, outcomes, reason, state

MEMBERS = ("avatars/a.png", "logos/company_logo_1.png", "client_attachments/1.pdf", "receipts/2025/2.pdf")
GO_TO = {
    "avatars": {"avatars/a.png"},
    "logos": {"logos/company_logo_1.png"},
    "attachments": {"legacy/client_attachments/1.pdf", "legacy/receipts/2025/2.pdf"},
}
GO_TO["all"] = set().union(*GO_TO.values())
OTHERS = pytest.mark.parametrize("kind", [LOGOS, ATTACHMENTS, ALL], ids=lambda kind: str(kind.name))


def move(kind: Kind, stream: bytes, uploads: Path, *, dry_run: bool = False) -> Tally:
    file = io.BufferedReader(io.BytesIO(stream))
    return relocate.run(Move(uploads, stream=file, dry_run=dry_run, kind=kind))


def old_uploads(before: str = "uploads/", *, top: str | None = "uploads/") -> bytes:
    return archive(*((f"{before}{name}", name.encode()) for name in MEMBERS), top=top)


@OTHERS
@pytest.mark.parametrize(
    ("before", "top"),
    [
        ("uploads/", "uploads/"),
        ("./", "./"),
        ("./uploads/", "./uploads/"),
        ("", None),
        ("uploads/", None),
        ("home/editor/app/static/uploads/", "home/editor/app/static/uploads/"),
        ("home/editor/app/static/uploads/", None),
        ("uploads/", "uploads/avatars/"),
        ("kept from October/", "kept from October/"),
    ],
)
def test_each_file_of_the_old_uploads_goes_to_its_place(
    uploads: Path, kind: Kind, before: str, top: str | None
) -> None:
    tally = move(kind, old_uploads(before, top=top), uploads)

    assert names(uploads) == GO_TO[kind.name]
    assert tally.exit_status == 0
    assert tally.notes == ()
    assert tally.standing == {str(Path(name).relative_to(kind.to)) for name in GO_TO[kind.name]}
    again = move(kind, old_uploads(before, top=top), uploads)
    assert set(outcomes(again).values()) == {"already there"}


@pytest.mark.parametrize("top", ["logos/", "./logos/", "old-logos/", "./", None])
def test_a_stream_may_be_of_the_folder_of_logos_itself(uploads: Path, top: str | None) -> None:
    stream = archive((f"{top or ''}company_logo_1.png", b"logo"), (f"{top or ''}company_logo_2.gif", b"logo"), top=top)

    assert move(LOGOS, stream, uploads).exit_status == 0

    assert names(uploads) == {"logos/company_logo_1.png", "logos/company_logo_2.gif"}


@pytest.mark.parametrize("kind", [ATTACHMENTS, ALL])
def test_a_stream_may_be_of_one_folder_of_attachments(uploads: Path, kind: Kind) -> None:
    stream = archive(("quote_images/1.png", b"1"), ("quote_images/editor/2.png", b"2"), top="quote_images/")

    assert move(kind, stream, uploads).exit_status == 0

    assert names(uploads) == {"legacy/quote_images/1.png", "legacy/quote_images/editor/2.png"}


@pytest.mark.parametrize("top", ["pictures/", None])
def test_pictures_are_told_from_a_stream_as_ever(uploads: Path, top: str | None) -> None:
    stream = archive(("pictures/logos/a.png", b"a"), ("pictures/b.png", b"b"), top=top)

    move(PICTURES, stream, uploads)

    assert names(uploads) == {"avatars/logos/a.png", "avatars/b.png"}


@OTHERS
def test_what_lies_in_no_old_folder_is_named_and_fails_nothing(uploads: Path, kind: Kind) -> None:
    stream = archive(
        ("uploads/exports/1.csv", b"1"),
        ("uploads/exports/2.csv", b"2"),
        ("uploads/loose\n.txt", b"3"),
        ("uploads/logos/company_logo_1.png", b"logo"),
        ("uploads/receipts/1.pdf", b"receipt"),
        top="uploads/",
    )

    tally = move(kind, stream, uploads)

    assert tally.exit_status == 0
    assert 'lies in none of the old folders, and is left: "exports", "loose\\x0a.txt".' in relocate.report(tally)
    assert not {"exports", "legacy/exports"} & {str(Path(name).parent) for name in names(uploads)}


@OTHERS
@pytest.mark.parametrize(
    "name", ["/etc/evil.png", "uploads/receipts/../../../evil.png", "..", "uploads/logos/../company_logo_evil.png"]
)
def test_a_name_that_leads_out_is_refused_by_name(uploads: Path, kind: Kind, name: str) -> None:
    stream = archive(
        ("uploads/logos/company_logo_1.png", b"1"), (name, b"evil"), ("uploads/receipts/1.pdf", b"1"), top="uploads/"
    )

    tally = move(kind, stream, uploads)

    assert "leads out" in reason(tally, name)
    assert tally.exit_status == 1
    assert not list(uploads.parent.rglob("*evil*"))


def test_the_same_names_are_refused_in_a_stream_as_in_a_folder(uploads: Path) -> None:
    odd = ["logos/logo.svg", "legacy/receipts/.hidden", "legacy/receipts/a\\b", "legacy/receipts/.git/config"]
    stream = archive(*((f"uploads/{name.removeprefix('legacy/')}", b"x") for name in odd), top="uploads/")

    tally = move(ALL, stream, uploads)

    assert outcomes(tally) == dict.fromkeys(odd, "left")
    assert names(uploads) == set()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE])
def test_what_stands_in_the_place_of_a_folder_is_named_and_left(uploads: Path, kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("uploads/logos", "uploads/receipts", "uploads/avatars"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc"
            tar.addfile(member)

    tally = move(ALL, buffer.getvalue(), uploads)

    assert outcomes(tally) == {"logos": "left", "legacy/receipts": "left", "avatars": "left"}
    assert tally.exit_status == 1
    assert names(uploads) == set()


def test_another_file_of_the_same_name_is_never_overwritten(uploads: Path) -> None:
    (uploads / "legacy/receipts/2025").mkdir(parents=True)
    (uploads / "legacy/receipts/2025/2.pdf").write_text("another")

    tally = move(ATTACHMENTS, old_uploads(), uploads)

    assert outcomes(tally) == {"client_attachments/1.pdf": "moved", "receipts/2025/2.pdf": "conflict"}
    assert (uploads / "legacy/receipts/2025/2.pdf").read_text() == "another"


def test_a_dry_run_of_a_stream_writes_nothing_and_foresees_the_same(uploads: Path) -> None:
    uploads.mkdir()
    seen = state(uploads)

    foreseen = move(ALL, old_uploads(), uploads, dry_run=True)

    assert state(uploads) == seen
    assert outcomes(foreseen) == outcomes(move(ALL, old_uploads(), uploads))


def test_what_came_whole_of_a_cut_stream_is_kept_also_where_the_cut_is_in_what_is_passed_over(uploads: Path) -> None:
    stream = archive(("uploads/receipts/1.pdf", b"1"), ("uploads/exports/big", b"x" * 100_000), top="uploads/")

    tally = move(ATTACHMENTS, stream[:5000], uploads)

    assert tally.exit_status == 1
    assert "what came whole was taken" in tally.troubles[0]
    assert names(uploads) == {"legacy/receipts/1.pdf"}


@pytest.mark.parametrize("name", ["uploads/exports/huge", "uploads/receipts/.huge", "uploads/../huge"])
def test_a_file_that_claims_to_be_huge_is_not_waited_for_where_it_is_passed_over(uploads: Path, name: str) -> None:
    huge = tarfile.TarInfo(name)
    huge.size = 2**50

    tally = move(ALL, huge.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000, uploads)

    assert tally.exit_status == 1
    assert names(uploads) == set()


def test_an_empty_stream_is_told_in_the_words_of_its_kind(uploads: Path) -> None:
    assert move(LOGOS, b"", uploads).troubles == (
        "The stream is empty: whatever should have sent the logos sent nothing.",
    )

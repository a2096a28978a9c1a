"""Addresses and storages: passwords that show nowhere, errors with the way out, and large things by name."""

import io
import logging
import traceback

import pytest
from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy.exc import OperationalError

from dspy_dlpo.tuning.address import read_address
from dspy_dlpo.tuning.blobs import BlobArtifacts, FolderBlobs
from dspy_dlpo.tuning.patience import patiently
from dspy_dlpo.tuning.storage import StorageError, open_store, refuse_shown_password

SECRET = "gehe!m/%"
ADDRESS = "postgresql://me:gehe%21m%2F%25@127.0.0.1:1/studies"


def test_a_password_is_in_no_text_of_an_address() -> None:
    address = read_address(ADDRESS)
    assert address.holds_secret
    assert address.url.password == SECRET
    for text in (repr(address), str(address), address.shown, address.redact(f"{SECRET} {ADDRESS}")):
        assert SECRET not in text
        assert "gehe" not in text


def test_a_password_in_the_query_is_hidden_too() -> None:
    address = read_address("postgresql://me@host/studies?sslpassword=geheim&sslmode=require")
    assert "geheim" not in address.shown
    assert "sslmode=require" in address.shown


def test_a_database_that_is_not_there_is_told_without_its_password(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(
        StorageError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/studies cannot be opened: .*refused"
    ) as told:
        open_store(ADDRESS)
    assert "gehe" not in "".join(traceback.format_exception(told.value))
    assert "gehe" not in caplog.text


def test_a_password_on_the_command_line_is_refused() -> None:
    with pytest.raises(ValueError, match="DLPO_STORAGE") as told:
        refuse_shown_password(None, ADDRESS)
    assert "gehe" not in str(told.value)
    refuse_shown_password("sqlite:///x.db", None, "postgresql://me@host/studies")


@pytest.mark.parametrize("text", ["nonsense://x", "://", "grpc://host", "postgresql://me:geheim@host:port/x"])
def test_an_address_that_cannot_be_read_is_not_repeated(text) -> None:
    with pytest.raises(ValueError, match="Pass") as told:
        read_address(text)
    assert "geheim" not in str(told.value)


def test_the_address_comes_from_the_environment(monkeypatch, tmp_path) -> None:
    assert read_address(None).shown == "sqlite:///dlpo-tuning.db"
    monkeypatch.setenv("DLPO_STORAGE", f"sqlite:///{tmp_path}/of-the-environment.db")
    assert "of-the-environment" in read_address(None).shown
    assert "given" in read_address("given.db").shown


def test_a_proxy_needs_a_place_for_large_things() -> None:
    with pytest.raises(ValueError, match="DLPO_ARTIFACTS"):
        open_store("grpc://127.0.0.1:1")


@pytest.fixture(params=["sqlite", "postgres", "folder"])
def blobs(request, tmp_path):
    if request.param == "folder":
        yield FolderBlobs(tmp_path / "blobs")
        return
    url = f"sqlite:///{tmp_path}/study.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").get_uri(database=request.getfixturevalue("database"))
    with open_store(url) as store:
        yield store.blobs


def test_large_things_are_kept_by_name(blobs) -> None:
    blobs.put("a/b_c", b"1")
    blobs.put("a/b_c", bytes(range(256)) * 4000)
    blobs.put("a/bxc", b"2")
    assert blobs.get("a/b_c") == bytes(range(256)) * 4000
    assert blobs.get("a/none") is None
    assert blobs.names("a/b_") == ["a/b_c"]
    blobs.remove("a/b_c")
    blobs.remove("a/b_c")
    assert blobs.names("a/") == ["a/bxc"]


def test_artifacts_are_blobs(blobs) -> None:
    artifacts = BlobArtifacts(blobs)
    artifacts.write("one", io.BytesIO(b"text"))
    assert artifacts.open_reader("one").read() == b"text"
    artifacts.remove("one")
    with pytest.raises(ArtifactNotFound):
        artifacts.open_reader("one")


def test_a_database_that_is_away_is_asked_again_and_other_errors_are_raised_at_once() -> None:
    calls = []

    def away(error: Exception):
        calls.append(error)
        if len(calls) < 3:
            raise error
        return "here"

    assert patiently(away)(OperationalError("select", {}, Exception("connection refused"))) == "here"
    calls.clear()
    with pytest.raises(KeyError):
        patiently(away)(KeyError("no such study"))
    assert len(calls) == 1
    with pytest.raises(OperationalError):
        patiently(lambda: away(OperationalError("select", {}, Exception("gone"))) and calls.clear(), patience=0)()

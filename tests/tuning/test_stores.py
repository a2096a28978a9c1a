"""Addresses and storages: passwords that show nowhere, errors with the way out, and where large things lie."""

import logging
import traceback

import pytest

from dspy_dlpo.tuning.address import read_address, refuse_shown_password
from dspy_dlpo.tuning.storage import StorageError, open_store

SECRET = "gehe!m/%"
ADDRESS = "postgresql://me:gehe%21m%2F%25@127.0.0.1:1/studies"


def test_a_password_is_in_no_text_of_an_address() -> None:
    address = read_address(ADDRESS)
    assert address.secrets
    assert address.url.password == SECRET
    for text in (repr(address), str(address), address.shown, address.redact(f"{SECRET} {ADDRESS}")):
        assert SECRET not in text
        assert "gehe" not in text


def test_a_password_in_the_query_is_hidden_too() -> None:
    address = read_address("postgresql://me@host/studies?sslpassword=geheim&sslmode=require")
    assert "geheim" not in address.shown
    assert "sslmode=require" in address.shown


def test_a_database_that_is_not_there_is_told_without_its_password(caplog, tmp_path) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(
        StorageError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/studies cannot be opened: .*refused"
    ) as told:
        open_store(ADDRESS, artifacts=str(tmp_path))
    assert "gehe" not in "".join(traceback.format_exception(told.value))
    assert "gehe" not in caplog.text


def test_a_password_on_the_command_line_is_refused() -> None:
    with pytest.raises(ValueError, match="DLPO_STORAGE") as told:
        refuse_shown_password(ADDRESS)
    assert "gehe" not in str(told.value)
    for harmless in ("sqlite:///x.db", None, "postgresql://me@host/studies"):
        refuse_shown_password(harmless)


@pytest.mark.parametrize("text", ["nonsense://x", "://", "postgresql://me:geheim@host:port/x"])
def test_an_address_that_cannot_be_read_is_not_repeated(text) -> None:
    with pytest.raises(ValueError, match="Pass") as told:
        read_address(text)
    assert "geheim" not in str(told.value)


def test_the_address_comes_from_the_environment(monkeypatch, tmp_path) -> None:
    assert read_address(None).shown == "sqlite:///dlpo-tuning.db"
    monkeypatch.setenv("DLPO_STORAGE", f"sqlite:///{tmp_path}/of-the-environment.db")
    assert "of-the-environment" in read_address(None).shown
    assert "given" in read_address("given.db").shown


@pytest.mark.parametrize("storage", ["grpc://127.0.0.1:1", "journal:///study.log"])
def test_a_storage_that_is_no_database_is_refused(storage) -> None:
    with pytest.raises(ValueError, match="no URL of a database"):
        open_store(storage)


def test_large_things_lie_beside_the_file_or_where_all_machines_see_them(tmp_path, monkeypatch) -> None:
    with open_store(f"sqlite:///{tmp_path}/study.db") as store:
        assert store.folder == tmp_path / "study.db.artifacts"
    monkeypatch.setenv("DLPO_ARTIFACTS", str(tmp_path / "shared"))
    with open_store(f"sqlite:///{tmp_path}/study.db") as store:
        assert store.folder == tmp_path / "shared"
    with pytest.raises(ValueError, match="artifacts= is no directory"):
        open_store(f"sqlite:///{tmp_path}/study.db", artifacts=ADDRESS)


def test_a_server_without_a_shared_directory_is_warned_of(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError):
        open_store(ADDRESS)
    assert "Set DLPO_ARTIFACTS" in caplog.text


def test_braces_in_a_password_are_no_template(tmp_path) -> None:
    with pytest.raises(StorageError, match="refused"):
        open_store("postgresql://me:%7Bx%7D@127.0.0.1:1/studies", artifacts=str(tmp_path))

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Settings, flag, settings_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without carousel.toml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_setting_is_taken_from_flag_then_environment_then_file_then_default(elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    assert Settings().port == 8000
    (elsewhere / "carousel.toml").write_text("port = 1001")
    assert Settings().port == 1001
    monkeypatch.setenv("CAROUSEL_PORT", "1002")
    assert Settings().port == 1002
    assert Settings(port=1003).port == 1003


def test_the_file_can_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "other.toml").write_text('models = "/srv/models"\naccess_log = true')
    monkeypatch.setenv("CAROUSEL_CONFIG", str(tmp_path / "other.toml"))

    assert Settings().models == Path("/srv/models")
    assert Settings().access_log


def test_a_file_that_is_named_and_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CAROUSEL_CONFIG", "/none.toml")

    with pytest.raises(ValueError, match=r"CAROUSEL_CONFIG names /none\.toml, which is no file: correct it, or unset it"):
        Settings()


@pytest.mark.parametrize("text", ["prot = 8000", "port = 70000", "port = ", 'device = "gpu"'])
def test_a_file_that_says_something_impossible_is_an_error(elsewhere: Path, text: str):
    (elsewhere / "carousel.toml").write_text(text)

    with pytest.raises(ValueError):  # noqa: PT011 - the words are pydantic's and tomllib's
        Settings()


def test_settings_go_to_child_processes_through_the_environment(monkeypatch: pytest.MonkeyPatch):
    settings = Settings(port=9000, access_log=True, models="/srv/models", timeout_s=1.5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    assert Settings() == settings


def test_every_setting_is_documented_as_the_code_has_it():
    assert settings_table() in PAGE.read_text(encoding="utf-8"), "put service.settings.settings_table() into docs/settings.md"


def test_every_setting_has_a_meaning_and_a_row():
    table = settings_table()

    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"| `{flag(name)}` | `CAROUSEL_{name.upper()}`, `{name}` |" in table
    assert "| `--max-batch-rows` | `CAROUSEL_MAX_BATCH_ROWS`, `max_batch_rows` | `32` |" in table

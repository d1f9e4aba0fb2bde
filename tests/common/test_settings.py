import dataclasses
from pathlib import Path

import pytest

from common.settings import Settings


def read(*argv: str, **environ: str) -> Settings:
    return Settings.from_command_line(list(argv), environ)


def test_defaults_hold_without_flags_and_variables():
    assert read() == Settings()
    assert Settings().weights == Path(__file__).parents[2] / "weights"


def test_a_flag_wins_over_its_variable_and_a_variable_over_the_default():
    assert read(ATELIER_PORT="8000").port == 8000
    assert read("--port", "9000", ATELIER_PORT="8000").port == 9000
    assert read(ATELIER_MAX_MEMORY="2.5").max_memory_gb == 2.5


def test_every_flag_reaches_its_field():
    argv = "--models hub --device cuda --precision bf16 --host 0.0.0.0 --port 0 --share --auth ann:a:b --max-memory 3"
    argv += " --output o --output-quota-gb 1 --weights w --hub-folder h --queue-size 5 --per-owner 2 --keep-minutes 0.5"
    settings = read(*argv.split(), "--mcp", "--max-upload-mb", "1", "--max-upload-megapixels", "2")
    changed = {field.name for field in dataclasses.fields(Settings) if getattr(settings, field.name) != field.default}
    assert changed == {field.name for field in dataclasses.fields(Settings)}
    assert settings.auth == ("ann", "a:b")
    assert (settings.output, settings.hub_folder) == (Path("o"), Path("h"))


def test_switches_and_empty_variables():
    assert read(ATELIER_MCP="yes").mcp is True
    assert read(ATELIER_MCP="0").mcp is False
    assert read(ATELIER_QUEUE_SIZE="").queue_size == 30


def test_public_is_what_strangers_can_reach():
    assert not read().public
    assert read("--share").public
    on_space = read(SPACE_ID="someone/clip-atelier")
    assert on_space.public
    assert on_space.host == "0.0.0.0"  # the Space's proxy is another machine
    assert read("--host", "127.0.0.1", SPACE_ID="someone/clip-atelier").host == "127.0.0.1"


@pytest.mark.parametrize(
    ("argv", "environ", "sentence"),
    [
        (["--port", "70000"], {}, "--port is '70000', allowed is a whole number from 0 to 65535."),
        (["--port", "٣"], {}, "--port is '٣', allowed is a whole number from 0 to 65535."),
        (["--models", "big"], {}, "--models is 'big', allowed are auto, starter, hub."),
        (["--max-memory", "nan"], {}, "--max-memory is 'nan', allowed is a number above 0."),
        (["--max-memory", "-1"], {}, "--max-memory is '-1', allowed is a number above 0."),
        ([], {"ATELIER_SHARE": "maybe"}, "ATELIER_SHARE is 'maybe', allowed are 1, true, yes, on, 0, false, no, off."),
        ([], {"ATELIER_QUEUE_SIZE": "0"}, "ATELIER_QUEUE_SIZE is '0', allowed is a whole number from 1 to 10000."),
        (["--output", ""], {}, "--output is empty, allowed is the path of a folder."),
        (["--colour"], {}, "unrecognized arguments: --colour"),
    ],
)
def test_a_bad_value_is_one_sentence_and_status_2(argv, environ, sentence, capsys):
    with pytest.raises(SystemExit) as exit_:
        Settings.from_command_line(argv, environ)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"app.py: {sentence}\n"


def test_a_password_is_never_shown(capsys):
    assert "secret" not in repr(read("--auth", "ann:secret"))
    with pytest.raises(SystemExit):
        read("--auth", "secret")
    assert "secret" not in capsys.readouterr().err


def test_help_documents_every_flag(capsys):
    with pytest.raises(SystemExit) as exit_:
        read("--help")
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    flags = ("models", "device", "host", "port", "share", "auth", "max-memory", "output", "queue-size", "mcp")
    assert [flag for flag in flags if f"\n  --{flag}" not in text] == []
    assert "{auto,starter,hub}" in text
    assert "{auto,cpu,cuda,mps}" in text

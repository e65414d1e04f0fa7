"""The stage `fetch` against a server of its own, good and bad."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest

from pipeline.errors import InputError
from pipeline.params.fetch import fetched_path
from pipeline.params.whole import Params
from pipeline.plan import plan
from pipeline.texts import fetch, stimuli

GOOD = """# A file for this test
# emotion, passage, text

happy,1,"The kite went up at once, and ""higher"" was all she said."
happy,2,"Both of them passed, with a comma in between."
calm,1,"The boat hardly moved."

calm,2,"Tea, then nothing for an hour."
"""


@contextmanager
def served(answers):
    """A server on this machine that gives `answers` in turn (the last one for ever): (status, body, announced length)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, length = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/texts.csv", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def good(text=GOOD):
    body = text.encode()
    return 200, body, len(body)


def named(project, url, text=GOOD, more=()):
    project.params["fetch"] = {"published": {"url": url, "md5": hashlib.md5(text.encode()).hexdigest()} | dict(more)}
    project.save()


@pytest.fixture(autouse=True)
def near_and_quick(monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "*")


def test_a_file_of_the_published_form_becomes_a_csv_that_second_can_name(project, capsys):
    with served([good()]) as (url, asked):
        named(project, url)
        fetch.main(["published"])
    assert asked == ["/texts.csv"]
    assert fetched_path("published").read_text().splitlines()[0] == "emotion,passage,text"
    source = {"name": "published", "precision": "fp32", "path": "data/fetched/published.csv", "positions": ["last"]}
    project.params["second"] = [source | {"columns": {"topic": None, "id": None}}]
    project.save()
    frame = stimuli.load(Params.load().second[0])
    assert frame["emotion"].to_list() == ["happy", "happy", "calm", "calm"]
    assert frame["text"][0] == 'The kite went up at once, and "higher" was all she said.'
    assert frame["topic"].to_list() == [""] * 4
    assert pl.read_csv(fetched_path("published"))["passage"].to_list() == [1, 2, 1, 2]
    assert capsys.readouterr().err == ""


def test_files_of_json_lines_become_one_csv_in_the_order_that_params_have(project):
    """As another group's corpus is published: a file for each label."""
    made = {
        "1-sad.jsonl": '{"emotion": "sad", "topic": "rain", "n": 0, "text": "It rained, \\"again\\"."}\n',
        "2-calm.jsonl": '{"emotion": "calm", "topic": "rain", "n": 0, "text": "It stopped.\\nAt last."}\n'
        '{"emotion": "calm", "text": "Quiet."}\n',
    }
    with served([good(text) for text in made.values()]) as (url, asked):
        folder = url.removesuffix("/texts.csv") + "/stories/"
        project.params["fetch"] = {
            "bench": {"url": folder, "files": {name: hashlib.md5(text.encode()).hexdigest() for name, text in made.items()}}
        }
        project.save()
        fetch.main(["bench"])
    assert asked == ["/stories/1-sad.jsonl", "/stories/2-calm.jsonl"]
    columns = {"text": "text", "emotion": "emotion", "topic": None, "id": None}
    source = {"name": "bench", "precision": "fp32", "path": "data/fetched/bench.csv", "positions": ["last"], "columns": columns}
    project.params["second"] = [source]
    project.save()
    frame = stimuli.load(Params.load().second[0])
    assert frame["emotion"].to_list() == ["sad", "calm", "calm"]
    assert frame["text"].to_list() == ['It rained, "again".', "It stopped.\nAt last.", "Quiet."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"text": "a"}\n{"text": ', "row 2: no JSON object"),
        ('{"text": "a"} {"text": "b"}', "row 1: no JSON object"),
        ('[{"text": "a"}]', "row 1: no JSON object"),
        ('{"text": "a", "more": {"b": 1}}', "row 1: 'more' is an object, not text$"),
        ('{"text": "a", "text": "b"}', "row 1: 'text' stands twice"),
        ('{"text": "a\\ud800"}', "row 1: 'text' holds U\\+D800"),
        ('{"text": "a", "n": NaN}', "row 1: NaN is no value of JSON"),
        ("", "no rows"),
        ("{}", "no rows"),
    ],
)
def test_what_is_no_object_a_line_is_refused(text, said):
    with pytest.raises(InputError, match=f"^fetch.x: {said}"):
        fetch.objects("x", text.encode())


def test_values_of_json_stay_as_they_are_written(project):
    """As Python's own reader has them, line by line: no type of one row becomes that of another."""
    lines = [
        '{"emotion": "007", "n": 1, "text": "a\u2028b"}',
        '{"emotion": 7, "n": 1.5, "text": "c"}',
        '{"n": true, "emotion": null}',
    ]
    found = fetch.objects("x", b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert found.columns == ["emotion", "n", "text"]
    assert found.rows() == [("007", "1", "a\u2028b"), ("7", "1.5", "c"), (None, "true", None)]


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_line_of_csv_ends_where_csv_says(sign):
    text = f"sad,1,one{sign}calm,3,four" if sign == "\u2028" else f'sad,1,"one{sign}two"'
    own = text.split(",", 2)[2].strip('"')
    if "," in own:
        with pytest.raises(InputError, match="line 1: not emotion,number"):
            fetch.passages("x", text.encode())
    else:
        assert fetch.passages("x", text.encode()).rows() == [("sad", "1", own)]
    assert fetch.passages("x", b"sad,1,a\r\ncalm,2,b\rhappy,3,c\n")["text"].to_list() == ["a", "b", "c"]


def test_a_server_that_fails_or_closes_early_is_asked_again(project):
    body = GOOD.encode()
    with served([(503, b"", 0), (200, body[:50], len(body)), good()]) as (url, asked):
        named(project, url)
        fetch.main(["published"])
    assert len(asked) == 3
    assert pl.read_csv(fetched_path("published")).height == 4


def test_one_that_always_closes_early_ends_in_one_line_and_leaves_nothing(project):
    body = GOOD.encode()
    with served([(200, body[:50], len(body))]) as (url, asked):
        named(project, url)
        with pytest.raises(InputError, match=f"^fetch.published: {url}: not to be had: cut off after 50 of {len(body)} bytes"):
            fetch.main(["published"])
    assert len(asked) == 3
    assert not fetched_path("published").exists()


def test_what_is_not_there_is_asked_for_once(project):
    with served([(404, b"", 0)]) as (url, asked):
        named(project, url)
        with pytest.raises(InputError, match=r"404.*Nothing is lost; run `dvc repro fetch@published` again"):
            fetch.main(["published"])
    assert len(asked) == 1


def test_a_server_that_is_not_there_is_one_line(project):
    with served([good()]) as (url, _):
        named(project, url)
    with pytest.raises(InputError, match=r"not to be had: .*refused") as error:  # the server has gone
        fetch.main(["published"])
    assert len(str(error.value).splitlines()) == 1


def test_another_md5_names_both_and_keeps_what_was_there(project):
    fetched_path("published").parent.mkdir(parents=True)
    fetched_path("published").write_text("before")
    with served([good(GOOD + "\n")]) as (url, _):
        named(project, url)
        sums = [hashlib.md5(text.encode()).hexdigest() for text in (GOOD + "\n", GOOD)]
        with pytest.raises(InputError, match=f"its md5 is {sums[0]}, not {sums[1]}"):
            fetch.main(["published"])
    assert fetched_path("published").read_text() == "before"


def test_more_than_the_limit_is_refused(project, monkeypatch):
    monkeypatch.setattr(fetch, "LARGEST_BYTES", 20)
    with served([good()]) as (url, _):
        named(project, url)
        with pytest.raises(InputError, match="more than 20 bytes"):
            fetch.main(["published"])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('sad,1,"no end', "line 9: unexpected end of data"),
        ("sad,1", 'line 9: not emotion,number,"text"'),
        ("sad,1,a,b", 'line 9: not emotion,number,"text"'),
        ('sad,1," "', 'line 9: not emotion,number,"text"'),
    ],
)
def test_a_row_that_is_none_is_named(row, said):
    with pytest.raises(InputError, match=f"^fetch.x: {said}"):
        fetch.passages("x", (GOOD + row + "\n").encode())


def test_what_is_no_text_and_what_is_empty_are_refused():
    with pytest.raises(InputError, match="fetch.x: not UTF-8"):
        fetch.passages("x", b"happy,1,\xff\xfe")
    with pytest.raises(InputError, match="fetch.x: no rows"):
        fetch.passages("x", b"# nothing\n\n")


def test_labels_of_other_sizes_are_a_warning(project, capsys):
    text = GOOD + 'sad,1,"Rain again."\n'
    with served([good(text)]) as (url, _):
        named(project, url, text)
        fetch.main(["published"])
    assert capsys.readouterr().err == "warning: fetch.published: sad has 1 passages, where most labels have 2\n"
    assert pl.read_csv(fetched_path("published")).height == 5


def test_a_name_that_params_do_not_have_is_named(project):
    with pytest.raises(InputError, match=r"fetch: 'publishd' is not there; it is empty"):
        fetch.main(["publishd"])
    named(project, "https://example.org/x.csv")
    with pytest.raises(InputError, match=r"fetch: 'publishd' is not there; did you mean 'published'\?"):
        fetch.main(["publishd"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"url": "file:///etc/passwd"}, "fetch.published.url"),
        ({"md5": "38e4"}, "fetch.published.md5"),
        ({"md5": None}, "give either md5, of one file, or files"),
        ({"files": {"a.jsonl": "0" * 32}}, "give either md5, of one file, or files"),
        ({"md5": None, "files": {"../a.jsonl": "0" * 32}}, "fetch.published.files"),
    ],
)
def test_only_web_addresses_and_whole_sums_are_taken(project, more, said):
    named(project, "https://example.org/x.csv", more=more)
    with pytest.raises(InputError, match=said):
        Params.load()


def test_the_plan_counts_what_is_not_fetched_yet_as_to_be_fetched(project, monkeypatch, capsys):
    named(project, "https://example.org/x.csv")
    source = {"name": "published", "precision": "fp32", "path": "data/fetched/published.csv", "positions": ["last"]}
    project.params["second"] = [source | {"columns": {"topic": None, "id": None}}]
    project.save()
    monkeypatch.setattr(plan, "changed_stages", lambda: ["fetch@published"])
    plan.main([])
    assert "Fetches published from https://example.org/x.csv" in capsys.readouterr().out
    project.params["fetch"] = {}
    project.save()
    with pytest.raises(InputError, match=r"data/fetched/published.csv: no such file"):
        plan.main([])

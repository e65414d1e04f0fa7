"""The page of parameters is what the default profile and the schema say."""

import re

from ruamel.yaml import YAML

from pipeline.params.whole import Params
from pipeline.publish import reference
from tests.conftest import ROOT


def test_the_page_is_up_to_date():
    assert (ROOT / reference.PAGE).read_text() == reference.page(), "run `make docs`"


def test_the_page_holds_every_section_of_the_default_profile_as_it_stands():
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", reference.page())
    yaml = YAML(typ="safe")
    assert yaml.load("".join(blocks)) == yaml.load((ROOT / reference.PROFILE).read_text())
    assert re.findall(r"(?m)^## (\w+)$", reference.page()) == list(yaml.load("".join(blocks)))
    assert {*re.findall(r"(?m)^## (\w+)$", reference.page())} == {*Params.model_fields}


def test_what_is_allowed_is_what_the_schema_refuses_otherwise():
    rows = dict(re.findall(r"(?m)^\| `([^`]+)` \| (.+) \|$", reference.page()))
    assert rows["read.precisions[]"] == "fp32, bf16, fp16, int8, nf4"
    assert rows["positions.<name>.rule"] == "last, middle, mean, word"
    assert rows["readings.<name>.emotions"] == "all, or a list"
    assert rows["read.batch_texts"] == "at least 1"

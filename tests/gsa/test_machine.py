"""What a card says of the machine and the libraries."""

import math
import os
import platform
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from gsa import machine


def test_the_processor_is_named_as_the_system_names_it(monkeypatch):
    text = "processor : 0\nmodel name\t: Some Processor 3000\nflags : a b\n"
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: text)
    assert machine.processor() == "Some Processor 3000"


@pytest.mark.parametrize("error", [FileNotFoundError(), None])
def test_a_system_that_tells_no_name_tells_its_architecture(monkeypatch, error):
    def read_text(path, encoding):
        if error:
            raise error
        return "flags : a b"

    monkeypatch.setattr(Path, "read_text", read_text)
    assert machine.processor() in (platform.processor(), platform.machine())


def test_memory_is_that_of_the_container_where_it_has_less(monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__)
    for limit, expected in (("max", 4096000), ("5000", 5000), ("9000000", 4096000)):
        monkeypatch.setattr(Path, "read_text", lambda path, encoding, limit=limit: limit)
        assert machine.memory() == expected
    monkeypatch.delattr(os, "sysconf")
    assert machine.memory() == math.inf


def test_a_gpu_has_a_name_and_a_processor_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    assert machine.gpu("cuda:0") == "GPU of cuda:0"
    assert machine.gpu("cpu") == ""


def test_every_library_has_its_version(monkeypatch):
    found = machine.versions()
    names = {"python", "gsa", "torch", "torchvision"}
    assert set(found) == names | {"lightning_fabric", "torchmetrics", "safetensors"}
    assert found["python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert found["safetensors"][0].isdigit()

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(machine, "version", absent)
    assert machine.versions()["gsa"] == "not installed"

"""Puts the study, what it shares with other benchmarks and the Python client on the path."""
import importlib.util
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TESTS / "benchmarks"), str(TESTS / "benchmarks/accuracy"), str(TESTS / "client/python")]

# The client's tests know how to make its package with generated files.
_spec = importlib.util.spec_from_file_location("client_conftest", TESTS / "client/python/conftest.py")
_client = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_client)
pytest_unconfigure = _client.pytest_unconfigure

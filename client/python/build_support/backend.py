"""setuptools, with the generated files made first. grpcio-tools is asked for only where they have to be made."""

from collections.abc import Callable
from typing import Any

from generate import PACKAGE, generate, generate_version, is_checkout
from setuptools import build_meta

# The generated code of grpcio-tools up to 1.62 runs with every protobuf from 3.20 on; later ones ask for the protobuf
# they were made with. 1.62 has no wheels from Python 3.13 on.
_TOOLS = ["grpcio-tools>=1.49,<1.63; python_version < '3.13'", "grpcio-tools>=1.66; python_version >= '3.13'"]


def _requires(hook: Callable[[Any], list[str]], config_settings: Any) -> list[str]:
    if not is_checkout():
        return hook(config_settings)
    generate_version(PACKAGE / "favor")  # which setuptools reads already to say what it requires
    return hook(config_settings) + _TOOLS


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return _requires(build_meta.get_requires_for_build_wheel, config_settings)


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return _requires(build_meta.get_requires_for_build_sdist, config_settings)


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return _requires(build_meta.get_requires_for_build_editable, config_settings)


def prepare_metadata_for_build_wheel(folder: str, config_settings: Any = None) -> str:
    generate()
    return build_meta.prepare_metadata_for_build_wheel(folder, config_settings)


def prepare_metadata_for_build_editable(folder: str, config_settings: Any = None) -> str:
    generate()
    return build_meta.prepare_metadata_for_build_editable(folder, config_settings)


def build_wheel(folder: str, config_settings: Any = None, metadata_folder: str | None = None) -> str:
    generate()
    return build_meta.build_wheel(folder, config_settings, metadata_folder)


def build_sdist(folder: str, config_settings: Any = None) -> str:
    generate()
    return build_meta.build_sdist(folder, config_settings)


def build_editable(folder: str, config_settings: Any = None, metadata_folder: str | None = None) -> str:
    generate()
    return build_meta.build_editable(folder, config_settings, metadata_folder)

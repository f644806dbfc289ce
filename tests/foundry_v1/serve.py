"""Serve one model directory with Foundry Local's 1.x core, as a test's upstream.

Run by the interpreter of ``.venv-foundry-v1``. It ends on SIGTERM or Ctrl-C, exit code 0.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import threading
from pathlib import Path

from foundry_local_sdk import Configuration, FoundryLocalManager

from foundry_host.catalog_server import CatalogServer
from foundry_host.model_cache import place_models
from foundry_host.model_directory import read_model_directory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model-dir", required=True, type=Path)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--load", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()

    directory = understood_by_v1(options.model_dir, options.data_dir / "model")
    model = read_model_directory(directory, alias=options.alias, demo=True)
    cache = options.data_dir / "models"
    place_models(cache, [model])
    catalog = CatalogServer(lambda: [model])
    FoundryLocalManager.initialize(
        Configuration(
            app_name="foundry-chat-tests",
            app_data_dir=str(options.data_dir / "app"),
            model_cache_dir=str(cache),
            logs_dir=str(options.data_dir / "logs"),
            web=Configuration.WebService(urls=options.url),
            additional_settings={"AzureCatalogUri": catalog.url},
        )
    )
    manager = FoundryLocalManager.instance
    if options.load:
        manager.catalog.get_model(model.alias).load()
    manager.start_web_service()

    # Only now: the core's .NET runtime installs handlers of its own when it starts.
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    print(f"Foundry Local 1.x listens on {manager.urls}", flush=True)
    while not stop.wait(0.5):
        pass
    manager.stop_web_service()
    catalog.close()


def understood_by_v1(source: Path, copy: Path) -> Path:
    """Copy the model without the settings that ONNX Runtime GenAI 0.14 refuses to read."""
    shutil.copytree(source, copy, dirs_exist_ok=True)
    path = copy / "genai_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for unknown in ("bot_token_id", "eot_token_id"):
        config["model"].pop(unknown, None)
    path.write_text(json.dumps(config), encoding="utf-8")
    return copy


if __name__ == "__main__":
    main()

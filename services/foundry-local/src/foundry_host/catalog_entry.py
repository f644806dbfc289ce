"""The JSON by which Foundry Local's catalogs describe one model.

Fields that the 2.x runtime reads, seen with ``foundry-local-sdk`` 2.2.1: ``tags.alias``, ``task``,
``supportsToolCalling``; ``systemCatalogData.publisher`` (the first folder in the model cache and
``owned_by`` in ``/v1/models``), ``displayName``; ``modelLimits.textLimits`` (``inputContextWindow``
becomes the SDK's ``context_length``, ``maxOutputTokens`` its ``max_output_tokens``).

The web service's ``/v1/models`` shows none of the limits. Its whole entry is::

    {"created": 1795305600, "id": "NAME:1", "object": "model", "owned_by": "local"}

so a client that needs the context length asks the companion's ``/status``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundry_host.model_directory import LocalModel

#: The publisher of every local model; also the folder in the runtime's model cache.
PUBLISHER = "local"

_CREATED = "2026-01-01T00:00:00Z"


def catalog_entry(model: LocalModel) -> dict[str, Any]:
    """Describe ``model`` as one element of the 2.x catalog's ``value`` array."""
    registry = f"azureml://registries/{PUBLISHER}/models"
    return {
        "assetId": f"{registry}/{model.name}/versions/{model.version}",
        "entityId": (
            f"azureml://location/local/registry/{PUBLISHER}/type/models/objectId/{model.variant}"
        ),
        "annotations": {
            "tags": {
                "alias": model.alias,
                "foundryLocal": "",
                "task": "chat-completion",
                "supportsToolCalling": "true" if model.tool_calling else "false",
                "maxOutputTokens": str(model.max_output_tokens),
            },
            "systemCatalogData": {
                "publisher": PUBLISHER,
                "displayName": model.display_name,
                "maxOutputTokens": model.max_output_tokens,
                "textContextWindow": model.context_length,
                "inferenceTasks": ["chat-completion"],
                "inputModalities": ["text"],
                "outputModalities": ["text"],
                "modelCapabilities": ["chat"],
                "modelLimits": {
                    "textLimits": {
                        "inputContextWindow": model.context_length,
                        "maxOutputTokens": model.max_output_tokens,
                    },
                    "supportedInputModalities": ["text"],
                    "supportedOutputModalities": ["text"],
                },
            },
        },
        "properties": {
            "id": model.variant,
            "name": model.name,
            "version": model.version,
            "variantInfo": {
                "parents": [{"assetId": f"{registry}/{model.alias}/versions/{model.version}"}],
                "variantMetadata": {
                    "modelType": "ONNX",
                    "device": model.device,
                    "executionProvider": model.execution_provider,
                    "fileSizeBytes": model.size_bytes,
                },
            },
            "creationContext": {"createdTime": _CREATED},
        },
    }


def v2_page(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the 2.x runtime reads."""
    return {"value": entries, "totalCount": len(entries)}


def v1_page(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the 1.x core reads (``foundry-local-sdk`` 1.2.4)."""
    return {"indexEntitiesResponse": {"value": entries, "totalCount": len(entries)}}

"""What the probe's reasons mean, in words that end in what to do."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

REMEDIES = {
    "name_not_resolved": "The name is unknown. Check FOUNDRY_URL.",
    "refused": "Nothing listens there. Start it, or correct the port in FOUNDRY_URL.",
    "timed_out": "No answer in time. It is busy, frozen or behind a firewall: restart it.",
    "unreachable": "No route to it. Check FOUNDRY_URL and the network.",
    "not_foundry": "Something else answers at that port. Check FOUNDRY_URL.",
    "tls_failed": "The secure connection failed. Check http or https in FOUNDRY_URL.",
    "http_error": "It answers with an error. The status page says what to do.",
    "bad_answer": "It answers what nobody understands. Check versions and FOUNDRY_URL.",
    "no_models": "Foundry Local has no model. The status page says how to get one here.",
    "no_model_loaded": "No model is loaded. Send a message: the gateway loads it.",
    "model_missing": "The model is not there. The status page says how to get it here.",
    "stream_broken": "The answer broke off. Look at Foundry Local's own log.",
    "no_answer": "The answer was empty. Try another model.",
    "overloaded": "Too many requests at once. Wait, or raise GATEWAY_MAX_CONCURRENCY.",
    "unauthorized": "The key was refused. Run: docker compose up -d --force-recreate",
    "handshake_failed": "Its page works, its socket does not: docker compose restart chainlit",
    "not_ready": "It is still starting, or waits for another part.",
    "not_recording": "Prometheus takes no samples. See: docker compose logs prometheus",
    "storage_failed": "Prometheus cannot write. Free some disk.",
    "other": "Unknown. See: docker compose logs healthcheck",
}
"""By the probe's closed set of reasons."""


def words() -> list[dashboard.ValueMapping]:
    """The remedies as value mappings, the reason's own name first."""
    return [
        dashboard.ValueMap(
            {
                reason: dashboard.ValueMappingResult(
                    text=f"{reason}: {remedy}", color="orange", index=index
                )
                for index, (reason, remedy) in enumerate(REMEDIES.items())
            }
        )
    ]

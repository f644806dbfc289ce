"""*Probes and containers*: what is measured, what measures it, and what it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from foundry_boards import promql
from foundry_boards.board import Place, Section, build
from foundry_boards.panels import BAD, GOOD, WARN, About, bars, query, states, table, timeseries
from foundry_boards.panels import now as latest
from foundry_boards.shared import FIRST_CHUNK, state_of_parts, what_is_wrong

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

OFF = "The view of containers is off. How to turn it on: DOCKER_VIEW_URL in .env.example."
PROBE = 'job="healthcheck"'


def board() -> dashboard.Dashboard:
    """Make the board."""
    return build(
        "foundry-probes",
        "Probes and containers",
        "Every probe with its results, reasons and durations; what Prometheus collects and at "
        "what cost; and the containers, where the view of them is on.",
        [_probes(), _details(), _collection(), _containers()],
    )


def _probes() -> Section:
    return Section([Place(state_of_parts(), 13, 9), Place(what_is_wrong(), 11, 9)])


def _details() -> Section:
    took = About("Duration of probes", "How long each probe's latest run took.", "s")
    failed = About(
        "Failures, by reason",
        "Probes that failed in each minute, and why.",
        "none",
        nothing="No probe failed in this time",
    )
    skipped = About(
        "Skipped, by reason",
        "Probes not made in each minute: a user's request had precedence, a chat would have loaded "
        "a model, or the chat is not to be probed.",
        "none",
        nothing="No probe was skipped in this time",
    )
    age = About(
        "Since the last success",
        "How long ago each part last answered its probe. One that never did is missing here.",
        "s",
        nothing="No probe has succeeded yet",
    )
    runs = About("Probes", "Probes made a second: what measuring costs the stack.", "cps")
    chat = About(
        "First token, as the probe sees it",
        "95 % of the probe's own answers began within this time.",
        "s",
        nothing="The chat was not probed in this time",
    )
    last = promql.series("foundry_healthcheck_last_success_timestamp_seconds")
    return Section(
        [
            Place(
                bars(
                    age,
                    latest(f"time() - max by (probe) ({last} > 0)", "{{probe}}"),
                    (60, WARN),
                    (300, BAD),
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    took,
                    query(
                        f"max by (probe) ({promql.series('probe_duration_seconds')})", "{{probe}}"
                    ),
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    chat,
                    query(
                        promql.percentile(0.95, FIRST_CHUNK, PROBE, by="gen_ai_request_model"),
                        "{{gen_ai_request_model}}",
                    ),
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    failed,
                    query(
                        promql.increase("foundry_healthcheck_failures_total", by="probe, reason"),
                        "{{probe}}: {{reason}}",
                    ),
                    bars=True,
                    stacked=True,
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    skipped,
                    query(
                        promql.increase("foundry_healthcheck_skipped_total", by="probe, reason"),
                        "{{probe}}: {{reason}}",
                    ),
                    bars=True,
                    stacked=True,
                ),
                8,
                8,
            ),
            Place(
                timeseries(
                    runs,
                    query(promql.rate("foundry_healthcheck_runs_total", by="probe"), "{{probe}}"),
                    stacked=True,
                ),
                8,
                8,
            ),
        ],
        "Probes",
    )


def _collection() -> Section:
    targets = About("Scrapes", "Whether Prometheus reached the metrics of each service.", "none")
    took = About("Duration of scrapes", "How long reading each service's metrics took.", "s")
    memory = About(
        "Memory of processes", "Resident memory, of the services that report it.", "bytes"
    )
    cpu = About(
        "Processor time",
        "Cores used, of the services that report it. The probe stays under 0.01.",
        "none",
    )
    samples = About("Samples per scrape", "How many figures each service offers.", "short")
    built = About(
        "Foundry Local", "Which generation of it answers the probe, and at which address.", "none"
    )
    both = "job, instance"
    legend = "{{instance}}"
    return Section(
        [
            Place(
                states(targets, query(f"max by ({both}) ({promql.series('up')})", legend)), 12, 7
            ),
            Place(
                timeseries(
                    took,
                    query(f"max by ({both}) ({promql.series('scrape_duration_seconds')})", legend),
                ),
                6,
                7,
            ),
            Place(
                timeseries(
                    samples,
                    query(f"max by ({both}) ({promql.series('scrape_samples_scraped')})", legend),
                ),
                6,
                7,
            ),
            Place(
                timeseries(
                    memory,
                    query(
                        f"sum by ({both}) ({promql.series('process_resident_memory_bytes')})",
                        legend,
                    ),
                ),
                8,
                8,
            ),
            Place(
                timeseries(cpu, query(promql.rate("process_cpu_seconds_total", by=both), legend)),
                8,
                8,
            ),
            Place(
                table(
                    built,
                    latest(promql.series("foundry_healthcheck_foundry_info")),
                    {"dialect": "Generation", "url": "Address"},
                ),
                8,
                8,
            ),
        ],
        "What Prometheus collects",
    )


def _containers() -> Section:
    words = ValueMap(
        {
            "0": ValueMappingResult(text="Stopped", color=BAD, index=0),
            "1": ValueMappingResult(text="Running", color=GOOD, index=1),
        }
    )
    running = About("Containers", "Whether each container of the stack runs.", "none", nothing=OFF)
    restarts = About(
        "Restarts",
        "How often each container died and was started again since the probe began to watch.",
        "none",
        nothing=OFF,
    )
    memory = About("Memory of containers", "What each container holds.", "bytes", nothing=OFF)
    share = About(
        "Share of the memory limit",
        "At 100 % Docker ends the container.",
        "percentunit",
        nothing=OFF,
    )
    cpu = About(
        "Processor time of containers", "Cores that each container keeps busy.", "none", nothing=OFF
    )
    used = promql.series("foundry_healthcheck_container_memory_bytes")
    limit = promql.series("foundry_healthcheck_container_memory_limit_bytes")
    up = promql.series("foundry_healthcheck_container_running")
    restarted = promql.series("foundry_healthcheck_container_restarts_total")
    legend = "{{service}}"
    return Section(
        [
            Place(states(running, query(f"max by (service) ({up})", legend), [words]), 12, 8),
            Place(
                bars(
                    restarts,
                    latest(f"max by (service) ({restarted})", legend),
                    (1, WARN),
                    (5, BAD),
                ),
                6,
                8,
            ),
            Place(
                bars(
                    share,
                    latest(f"max by (service) ({used}) / max by (service) ({limit} > 0)", legend),
                    (0.8, WARN),
                    (0.95, BAD),
                ).max(1),
                6,
                8,
            ),
            Place(timeseries(memory, query(f"max by (service) ({used})", legend)), 12, 8),
            Place(
                timeseries(
                    cpu,
                    query(
                        promql.rate(
                            "foundry_healthcheck_container_cpu_seconds_total", by="service"
                        ),
                        legend,
                    ),
                ),
                12,
                8,
            ),
        ],
        "Containers",
    )

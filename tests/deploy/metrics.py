"""The names of the metrics that /metrics gives, and what of an expression is one."""

from __future__ import annotations

import re

PREFIX = "tailrace_"

HISTOGRAMS = frozenset({"commit_duration_seconds", "output_latency_seconds"})

NAMES = HISTOGRAMS | {
    "lines_read_total", "bytes_read_total", "lines_redriven_total", "events_made_total", "events_written_total",
    "events_filtered_total", "dead_letters_total", "lines_pending", "bytes_pending", "pending_seconds",
    "bytes_unread_total", "bytes_found_total", "bytes_skipped_total", "lines_invalid_bytes_total",
    "component_received_events_total", "component_sent_events_total", "component_errors_total",
    "component_busy_seconds_total", "utilization",
    "component_received_bytes_total", "component_sent_bytes_total", "buffer_size_events", "buffer_size_bytes",
    "buffer_max_size_bytes", "ring_slots", "memory_bytes", "memory_ceiling_bytes", "commits_total",
    "commit_age_seconds", "rewinds_total", "files_added_total", "files_resumed_total", "files_deleted_total",
    "files_unwatched_total", "files_rotated_total", "files_truncated_total", "files_open", "files_known",
    "source_lag_bytes", "source_lag_time_seconds", "file_lag_bytes", "file_lag_seconds", "long_lines_total",
    "ingestion_paused", "output_connection_up", "output_retries_total", "output_down_seconds", "output_waiting",
    "http_client_responses_total", "pattern_seconds_total", "pattern_matches_total", "worker_restarts_total",
    "worker_busy_seconds_total", "workers", "dead_letters_stored", "dead_letters_stored_bytes",
    "dead_letters_max_bytes", "dead_letters_full", "dead_letters_dropped_total", "dead_letters_expired_total",
    "config_reloads_total", "config_last_reload_successful", "config_last_reload_timestamp_seconds",
    "start_time_seconds", "info",
}  # fmt: skip
"""Without their prefix."""

_NAME = re.compile(rf"\b{PREFIX}[a-z_]+")


def used(expression: str) -> set[str]:
    """The metrics of ours that an expression asks for, without their prefix; of a histogram, its own name."""
    found = {name.removeprefix(PREFIX) for name in _NAME.findall(expression)}
    return {
        next((own for own in HISTOGRAMS if re.fullmatch(f"{own}_(bucket|sum|count)", name)), name) for name in found
    }


def exported(page: str) -> set[str]:
    """The metrics that a page of /metrics says the type of, without their prefix."""
    return set(re.findall(rf"^# TYPE {PREFIX}(\w+) ", page, re.MULTILINE))

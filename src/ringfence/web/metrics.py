"""What each process counts about itself, in Prometheus' terms. No label names a company, a number or a person."""

from prometheus_client import Counter, Gauge, Histogram

SENDS = Counter("ringfence_sends_total", "POSTs to Twilio by what came of them.", ["outcome"])
DISPATCH_IN_FLIGHT = Gauge("ringfence_dispatch_in_flight", "POSTs to Twilio under way or reserved in this process.")
LANES_DUE = Gauge("ringfence_lanes_due", "Senders with work that is due, as the dispatcher last saw them.")
OLDEST_DUE_SECONDS = Gauge("ringfence_oldest_due_seconds", "Age of the oldest due work of any sender.")
CALLBACK_LAG = Histogram(
    "ringfence_callback_lag_seconds",
    "From the intent to send to a status callback for it.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
WEBHOOK_REFUSALS = Counter("ringfence_webhook_refusals_total", "Webhooks that were not let in, by reason.", ["reason"])
WEBHOOK_DELIVERIES = Histogram(
    "ringfence_webhook_delivery_seconds",
    "Attempts to deliver outgoing webhooks by what came of them.",
    ["outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
REQUESTS = Histogram(
    "ringfence_http_request_seconds",
    "Answered requests by method, route template and status.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
MENDED = Counter("ringfence_mended_total", "What sweeps of Twilio's log mended, by what it was.", ["what"])
JOBS = Histogram(
    "ringfence_job_seconds",
    "Runs of background jobs by kind and what came of them.",
    ["kind", "outcome"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600),
)

"""What operators watch: figures for Prometheus, traces for OpenTelemetry, drift against the training."""

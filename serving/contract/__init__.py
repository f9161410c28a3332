"""The contract in HTTP's own terms: what a body must be, what answers look like, the OpenAPI document."""

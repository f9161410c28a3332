"""The way in and out: by key, by OIDC."""

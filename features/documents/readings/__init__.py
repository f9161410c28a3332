"""Words on a page -> readings of fields: by label, by place, by row of a table, by mark."""

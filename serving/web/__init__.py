"""Pages for approvers, planners and data scientists; what they show, the API shows as well."""

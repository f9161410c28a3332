"""Pages for approvers and planners."""

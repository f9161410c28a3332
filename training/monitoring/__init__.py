"""Champions watched on live traffic: drift, outcomes, challengers in their shadow, reasons to retrain."""

"""What is known about a return: vocabulary, records, features, history, documents."""

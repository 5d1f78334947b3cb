"""Landing files -> raw tables, as a source file declares. Siblings; imports contracts and nothing else of ours."""

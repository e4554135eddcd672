"""What is below deploy/, and docs/operate.md: checked by the programs that read it, where there are such."""

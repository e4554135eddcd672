"""The stages that come with tailrace: one file each, named as in the configuration."""

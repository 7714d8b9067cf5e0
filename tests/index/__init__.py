"""What the library must do."""

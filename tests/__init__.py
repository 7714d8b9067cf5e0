"""What the packages must do; the folders mirror them."""

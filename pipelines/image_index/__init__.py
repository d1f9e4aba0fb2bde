"""An index of pictures on disk: built from folders, asked by picture, by words or by both."""

"""Files of images and masks, lists of files, and splits."""

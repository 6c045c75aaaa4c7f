"""A trained model applied to images, folders and videos."""

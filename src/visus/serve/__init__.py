"""Using a trained model: sources of pictures, a predictor, drawings and the report of a run."""

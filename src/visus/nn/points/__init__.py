"""Parts of networks that look at shapes: their inputs, and the encoder of PointNet."""

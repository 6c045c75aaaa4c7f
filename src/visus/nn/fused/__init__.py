"""Networks that only predict, made faster without a compiler: fused and packed layers, in float32, bfloat16 or int8."""

"""Station 4: what people wrote. `load` turns YAML into the frozen `Rule` of `model`; `match` compiles a detection."""

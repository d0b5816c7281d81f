"""How true the parts are that `cxr-predict --labels` takes a difference of two F1s into."""

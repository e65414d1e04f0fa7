"""What params.yaml may say, one module per section; a stage loads its own sections."""

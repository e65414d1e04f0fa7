"""What other groups published: vector banks, by digest, never unpickled."""

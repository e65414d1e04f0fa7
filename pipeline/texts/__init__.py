"""Texts that models are given: stimuli, the labels that they carry, prompts, and where texts are fetched from."""

"""Behaviour: questions with push-backs and tasks under a format constraint, put to instruct models."""

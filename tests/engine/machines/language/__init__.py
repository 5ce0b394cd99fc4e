"""The journey language against a plain model of a dozen journeys."""

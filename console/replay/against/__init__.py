"""What a draft of the journeys would have done with what a store has logged."""

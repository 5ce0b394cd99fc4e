"""Does a test notice when the engine is changed? See docs/mutation.md."""

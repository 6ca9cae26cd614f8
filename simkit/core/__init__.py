"""The compiled core: rules and event loop over whole numbers and arrays. It imports nothing of simkit above it."""

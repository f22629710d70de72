"""From motion to drafts: episodes, zones, stills. Runs in the eye."""

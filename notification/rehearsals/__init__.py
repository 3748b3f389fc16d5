"""What a rehearsal leaves in notification: that its events were taken. Nobody was written to."""

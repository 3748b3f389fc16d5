"""Shadows of sessions for `stampede rehearse`: made and removed here, shown to nobody without their id."""

"""Measurements, one scenario per file, with their peers beside them; see results/ for what was found."""

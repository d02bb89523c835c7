"""Who may be texted: opt-outs with their scope and evidence."""

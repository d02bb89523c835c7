"""Texts for later: kept until their time, then handed in like any other."""

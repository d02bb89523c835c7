"""Notices: telling people of the company what happened, in the browser and by e-mail, as each of them wants it."""

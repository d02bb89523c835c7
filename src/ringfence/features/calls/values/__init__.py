"""Words of the calls room: states, jobs and TwiML."""

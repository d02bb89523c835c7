"""A company's phone numbers: found at Twilio, switched on and off, chosen as senders."""

"""The Twilio doctor: looks at everything that can be wrong between a company, this server and Twilio."""

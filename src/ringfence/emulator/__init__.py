"""A local Twilio: REST, signed webhooks, faults and customers' phones. Knows nothing above kit."""

"""A local Twilio: REST, signed webhooks, faults and customers' phones. Knows nothing above kit."""

from ringfence.emulator.behaviour import Behaviour, Span
from ringfence.emulator.seeds import AccountSeed, NumberSeed, read_seeds
from ringfence.emulator.server import Emulator

__all__ = ["AccountSeed", "Behaviour", "Emulator", "NumberSeed", "Span", "read_seeds"]

"""The demo's two companies: who works there, whom they text, and what has been said so far.

All numbers are from the range that the North American plan reserves for fiction (555-01xx).
"""

from dataclasses import dataclass

from ringfence.features.users.values import Role


@dataclass(frozen=True, slots=True)
class Said:
    """One text of a thread: who said it (`us` or `them`), how many minutes ago, and what."""

    who: str
    minutes_ago: int
    body: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A contact and its thread; without a name it is a sender nobody knows yet."""

    first_name: str
    last_name: str
    phone_number: str
    thread: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """One company of the demo."""

    name: str
    slug: str
    time_zone: str
    numbers: tuple[tuple[str, str], ...]
    people: tuple[tuple[str, Role], ...]
    customers: tuple[Customer, ...]


DAY = 24 * 60

COMPANIES = (
    DemoCompany(
        name="Bluebird Heating & Air",
        slug="bluebird",
        time_zone="America/Phoenix",
        numbers=(
            ("+16025550110", "Dispatch desk"),
            ("+16025550111", "Service reminders"),
            ("+14805550112", "East Valley"),
        ),
        people=(("Dana Ruiz", "company_admin"), ("Marcus Hale", "manager"), ("Priya Nair", "agent")),
        customers=(
            Customer(
                "Elena",
                "Marsh",
                "+16025550131",
                (
                    Said(
                        "them",
                        2 * DAY + 190,
                        "Hi, our AC is blowing warm air. Can someone come out today?",
                    ),
                    Said(
                        "us",
                        2 * DAY + 184,
                        "Hi Elena, Priya here. We can be there between 2 and 4 pm. OK?",
                    ),
                    Said("them", 2 * DAY + 181, "Yes please! Gate code is 4417"),
                    Said("us", 2 * DAY + 60, "Marcus is on his way, about 20 minutes out."),
                    Said("them", 2 * DAY + 2, "All fixed, it was the capacitor. Thank you so much 🙏"),
                    Said("us", 2 * DAY, "Glad it is cool again! The invoice is in your e-mail."),
                ),
            ),
            Customer(
                "Tom",
                "Okafor",
                "+16025550132",
                (
                    Said(
                        "us",
                        DAY + 300,
                        "Hi Tom, your fall tune-up is tomorrow at 9:30 am. Reply C to confirm.",
                    ),
                    Said("them", DAY + 276, "C"),
                    Said("them", 52, "Running 10 min late, neighbor will let you in"),
                ),
            ),
            Customer(
                "Grace",
                "Lindqvist",
                "+14805550133",
                (
                    Said("them", 95, "Do you service mini splits? Have two Mitsubishi units"),
                    Said("us", 88, "We do! Would Thursday morning work for a visit?"),
                    Said("them", 41, "Thursday is great. Before 10 if possible"),
                ),
            ),
            Customer(
                "Hector",
                "Villanueva",
                "+16025550134",
                (
                    Said("us", 5 * DAY, "Hi Hector, your new filter has arrived. Pick up or delivery?"),
                    Said("them", 5 * DAY - 35, "Pick up, I'll come by Friday"),
                ),
            ),
            Customer(
                "Sandra",
                "Whitfield",
                "+16025550135",
                (
                    Said("us", 9 * DAY, "Hi Sandra, how did our technician do yesterday? 1 (bad) to 5 (great)"),
                    Said("them", 9 * DAY - 12, "5! Very polite and cleaned up after"),
                ),
            ),
            Customer("Owen", "Pratt", "+14805550136"),
            Customer("Mei", "Tanaka", "+16025550137"),
            Customer("", "", "+16025550139", (Said("them", 17, "is this the number for emergency ac repair??"),)),
        ),
    ),
    DemoCompany(
        name="Harbor Family Dental",
        slug="harbor",
        time_zone="America/New_York",
        numbers=(("+12075550150", "Front desk"), ("+12075550151", "Recalls")),
        people=(("Ruth Adler", "company_admin"), ("Ben Castellano", "manager"), ("Amy Poirier", "agent")),
        customers=(
            Customer(
                "Noah",
                "Beckett",
                "+12075550171",
                (
                    Said(
                        "us",
                        3 * DAY,
                        "Hi Noah, it's Harbor Dental. Time for a cleaning, does next week suit?",
                    ),
                    Said("them", 3 * DAY - 44, "Tuesday after 3?"),
                    Said("us", 3 * DAY - 50, "Tuesday 3:40 pm with Kim it is. See you then!"),
                    Said("them", 2 * DAY + 30, "👍"),
                ),
            ),
            Customer(
                "Lucía",
                "Fernández",
                "+12075550172",
                (
                    Said("them", 130, "Hola, se me cayó una corona. ¿Pueden verme hoy?"),
                    Said("us", 121, "Hola Lucía, sí: hoy a las 4:15. ¿Le viene bien?"),
                    Said("them", 33, "Perfecto, gracias"),
                ),
            ),
            Customer(
                "Walter",
                "Quimby",
                "+12075550173",
                (
                    Said("us", 6 * DAY, "Walter, your night guard is ready to be picked up. We are open until 5."),
                    Said("them", 6 * DAY - 15, "On my way"),
                ),
            ),
            Customer(
                "Joan",
                "Merriweather",
                "+12075550174",
                (Said("them", 64, "Can I bring my grandson along tomorrow? He is 6 and a bit nervous"),),
            ),
            Customer("Peter", "Sorensen", "+12075550175"),
            Customer("Aisha", "Rahman", "+12075550176"),
        ),
    ),
)

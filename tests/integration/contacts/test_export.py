"""All contacts as a file that a spreadsheet does not run and an import takes back."""

import csv
import io
from typing import Any

from ringfence.features.contacts.actions.upload_store import UploadStore
from tests.factories.texts import CUSTOMER, Texting
from tests.integration.contacts.test_contacts import CONTACTS, make
from tests.integration.contacts.test_import import counts, imported, people

EXPORT = f"{CONTACTS}/export"


async def export(texting: Texting, **params: Any) -> list[dict[str, str]]:
    answer = await texting.call("GET", EXPORT, texting.a, scope="manage", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


async def test_what_is_exported_comes_back(texting: Texting, uploads: UploadStore) -> None:
    await make(
        texting,
        texting.a,
        first_name='=HYPERLINK("http://evil.example")',
        last_name="@SUM(1)",
        organisation='Acme, "Inc"',
        phone_number=CUSTOMER,
        email="zoe@acme.example",
        time_zone="America/Phoenix",
        tags=["vip", "new"],
        custom_fields={"plan": "-1+1", "x": "+44"},
    )
    await make(texting, texting.a, first_name="Bo", phone_number="+16025550143", custom_fields={"y": "2"})
    gone = await make(texting, texting.a, first_name="Gone")
    await texting.call("DELETE", f"{CONTACTS}/{gone['id']}", texting.a)
    await make(texting, texting.b, first_name="Secret")

    answer = await texting.call("GET", EXPORT, texting.a, scope="manage")
    rows = await export(texting)

    assert [row["first_name"] for row in rows] == ["Bo", '\'=HYPERLINK("http://evil.example")']
    assert rows[1]["last_name"] == "'@SUM(1)"
    assert (rows[1]["custom.plan"], rows[1]["tags"], rows[1]["phone_number"]) == ("'-1+1", "new, vip", CUSTOMER)
    assert (rows[0]["custom.plan"], rows[0]["custom.y"]) == ("", "2")
    entries = (await texting.get("/api/audit-log", texting.a, action="contacts.exported"))["items"]
    assert len(entries) == 2

    done = await imported(texting, uploads, answer.content, line=texting.b)

    assert counts(done) == (2, 0, 0, 0, 0)
    ours, theirs = await people(texting), await people(texting, texting.b)
    for number in (CUSTOMER, "+16025550143"):
        kept = {name: value for name, value in ours[number].items() if name not in {"id", "created_at", "updated_at"}}
        assert kept.items() <= theirs[number].items()


async def test_by_tag_and_over_many_pages(texting: Texting) -> None:
    texting.change(
        "INSERT INTO contacts (company_id, id, first_name, created_at, updated_at)"
        " SELECT %s, gen_random_uuid(), 'N' || n, now(), now() FROM generate_series(1, 1201) AS n",
        texting.a.company_id,
    )
    await make(texting, texting.a, first_name="Zoë", tags=["vip"])

    assert len({row["first_name"] for row in await export(texting)}) == 1202
    assert [row["first_name"] for row in await export(texting, tag="VIP")] == ["Zoë"]
    assert await export(texting, tag="none") == []

import { Button, Drawer, Group, Select, Stack, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { ProblemNote } from "@/components/problem-note";
import { texts } from "@/texts";

import { type Contact, CONTACTS, saveContact, tagsQuery } from "./api";

const t = texts.contacts;
const ZONES = Intl.supportedValuesOf("timeZone");

interface Props {
  /** The contact to change; null for a new one. */
  contact: Contact | null;
  onClose: () => void;
}

/** Writing down who somebody is. */
export function ContactForm({ contact, onClose }: Props) {
  const [fields, setFields] = useState({
    first_name: contact?.first_name ?? "",
    last_name: contact?.last_name ?? "",
    phone_number: contact?.phone_number ?? "",
    email: contact?.email ?? "",
    organisation: contact?.organisation ?? "",
  });
  const [tags, setTags] = useState(contact?.tags ?? []);
  const [zone, setZone] = useState(contact?.time_zone ?? null);
  const known = useQuery(tagsQuery);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () =>
      saveContact(contact?.id ?? null, {
        first_name: fields.first_name.trim(),
        last_name: fields.last_name.trim(),
        phone_number: fields.phone_number.trim() || null,
        email: fields.email.trim() || null,
        organisation: fields.organisation.trim() || null,
        time_zone: zone,
        tags,
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: CONTACTS });
      onClose();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  const bind = (name: keyof typeof fields) => ({
    value: fields[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      const { value } = event.currentTarget;
      setFields((old) => ({ ...old, [name]: value }));
    },
  });
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      title={contact === null ? t.add : t.edit}
      closeButtonProps={{ "aria-label": texts.common.close }}
    >
      <form onSubmit={submit}>
        <Stack>
          {save.isError && <ProblemNote error={save.error} />}
          <TextInput label={t.firstName} maxLength={100} data-autofocus {...bind("first_name")} />
          <TextInput label={t.lastName} maxLength={100} {...bind("last_name")} />
          <TextInput label={t.phone} description={t.phoneHelp} type="tel" maxLength={64} {...bind("phone_number")} />
          <TextInput label={t.email} type="email" {...bind("email")} />
          <TextInput label={t.organisation} maxLength={100} {...bind("organisation")} />
          <TagsInput
            label={t.tags}
            description={t.tagsHelp}
            data={known.data?.items.map((one) => one.tag) ?? []}
            value={tags}
            onChange={setTags}
          />
          <Select
            label={t.zone}
            description={t.zoneHelp}
            data={zone === null || ZONES.includes(zone) ? ZONES : [zone, ...ZONES]}
            value={zone}
            onChange={setZone}
            searchable
            clearable
            limit={50}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {texts.common.cancel}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {texts.common.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}

import { ActionIcon, Badge, Button, Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconAddressBook, IconPencil, IconSearch, IconTrash } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";

import { LongList } from "@/components/long-list";
import { Empty, Page } from "@/components/page";
import { Phone } from "@/components/phone";
import { tellProblem, tellWithUndo } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { texts } from "@/texts";

import { type Contact, CONTACTS, contactsQuery, deleteContact, restoreContact, tagsQuery } from "./api";
import { ContactForm } from "./contact-form";
import type { ContactsSearch } from "./search";

const t = texts.contacts;

const nameOf = (contact: Contact) => `${contact.first_name} ${contact.last_name}`.trim() || t.nobody;

/** The people that the company texts: find, write down, change and remove them. */
export function Contacts() {
  const mayWrite = useMay("send");
  const filter = useSearch({ from: "/contacts" });
  const navigate = useNavigate({ from: "/contacts" });
  const [typed, setTyped] = useState(filter.q ?? "");
  const [editing, setEditing] = useState<Contact | "new" | null>(null);
  const tags = useQuery(tagsQuery);
  const query = useInfiniteQuery(contactsQuery(filter));
  const go = (change: (old: ContactsSearch) => ContactsSearch) => void navigate({ search: change, replace: true });
  const find = useDebouncedCallback((text: string) => {
    go(({ tag }) => ({ ...(tag === undefined ? {} : { tag }), ...(text === "" ? {} : { q: text }) }));
  }, 250);
  const add = mayWrite ? <Button onClick={() => { setEditing("new"); }}>{t.add}</Button> : undefined;
  const isFiltered = filter.q !== undefined || filter.tag !== undefined;
  return (
    <Page title={t.title} actions={add}>
      <Group>
        <TextInput
          aria-label={t.search}
          placeholder={t.search}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={typed}
          maxLength={100}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            find(event.currentTarget.value.trim());
          }}
          flex={1}
          miw={200}
          maw={360}
        />
        <Select
          aria-label={t.tag}
          placeholder={t.anyTag}
          data={tags.data?.items.map((one) => one.tag) ?? []}
          value={filter.tag ?? null}
          onChange={(tag) => { go(({ q }) => ({ ...(q === undefined ? {} : { q }), ...(tag === null ? {} : { tag }) })); }}
          clearable
          searchable
          w={180}
        />
      </Group>
      <LongList
        label={t.title}
        rows={query.data?.pages.flatMap((page) => page.items) ?? []}
        query={query}
        rowHeight={64}
        empty={
          isFiltered ? (
            <Empty icon={<IconSearch size={40} />} title={t.noneFound} text={t.noneFoundText} />
          ) : (
            <Empty icon={<IconAddressBook size={40} />} title={t.emptyTitle} text={t.empty} action={add} />
          )
        }
      >
        {(contact) => <Row contact={contact} onEdit={mayWrite ? setEditing : null} />}
      </LongList>
      {editing !== null && (
        <ContactForm contact={editing === "new" ? null : editing} onClose={() => { setEditing(null); }} />
      )}
    </Page>
  );
}

function Row({ contact, onEdit }: { contact: Contact; onEdit: ((contact: Contact) => void) | null }) {
  const name = nameOf(contact);
  const mayRemove = useMay("manage");
  return (
    <Group justify="space-between" wrap="nowrap" py="xs" px={4} style={{ borderBottom: "1px solid var(--mantine-color-default-border)" }}>
      <div style={{ minWidth: 0 }}>
        <Text fw={600} truncate>
          {name}
        </Text>
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            {contact.phone_number === null ? t.noNumber : <Phone number={contact.phone_number} />}
          </Text>
          {contact.tags.map((tag) => (
            <Badge key={tag} variant="light" tt="none" size="sm">
              {tag}
            </Badge>
          ))}
        </Group>
      </div>
      {onEdit !== null && (
        <Group gap={4} wrap="nowrap">
          <ActionIcon variant="subtle" color="gray" aria-label={t.change(name)} onClick={() => { onEdit(contact); }}>
            <IconPencil size={18} />
          </ActionIcon>
          {mayRemove && <Remove contact={contact} name={name} />}
        </Group>
      )}
    </Group>
  );
}

function Remove({ contact, name }: { contact: Contact; name: string }) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: CONTACTS });
  const restore = useMutation({ mutationFn: () => restoreContact(contact.id), onError: tellProblem, onSettled: refresh });
  const remove = useMutation({
    mutationFn: () => deleteContact(contact.id),
    onSuccess: () => {
      tellWithUndo(t.deleted(name), () => { restore.mutate(); });
    },
    onError: tellProblem,
    onSettled: refresh,
  });
  return (
    <ActionIcon
      variant="subtle"
      color="red"
      aria-label={t.remove(name)}
      disabled={remove.isPending}
      onClick={() => { remove.mutate(); }}
    >
      <IconTrash size={18} />
    </ActionIcon>
  );
}

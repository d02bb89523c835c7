import { ActionIcon, Badge, Button, Card, Group, Menu, SegmentedControl, Skeleton, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDots, IconFileText, IconPencil, IconSearch, IconTrash } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { Empty, Page } from "@/components/page";
import { ProblemNote } from "@/components/problem-note";
import { tellProblem, tellWithUndo } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { texts } from "@/texts";

import { deleteTemplate, saveTemplate, type Sort, type Template, TEMPLATES, templatesQuery } from "./api";
import { TemplateForm } from "./template-form";

const t = texts.templates;

/** Saved texts: find, write, change and remove them. */
export function Templates() {
  const mayWrite = useMay("manage");
  const [search, setSearch] = useState("");
  const [sort, setSort] = useState<Sort>("used");
  const [editing, setEditing] = useState<Template | "new" | null>(null);
  const [q] = useDebouncedValue(search.trim(), 250);
  const add = mayWrite ? (
    <Button onClick={() => { setEditing("new"); }}>{t.add}</Button>
  ) : undefined;
  return (
    <Page title={t.title} actions={add}>
      <Group>
        <TextInput
          aria-label={t.search}
          placeholder={t.search}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={search}
          onChange={(event) => { setSearch(event.currentTarget.value); }}
          flex={1}
          maw={360}
        />
        <SegmentedControl<Sort>
          aria-label={t.sort}
          value={sort}
          onChange={setSort}
          data={[
            { value: "used", label: t.sortUsed },
            { value: "newest", label: t.sortNewest },
          ]}
        />
      </Group>
      <List q={q} sort={sort} add={add} onEdit={mayWrite ? setEditing : null} />
      {editing !== null && (
        <TemplateForm template={editing === "new" ? null : editing} onClose={() => { setEditing(null); }} />
      )}
    </Page>
  );
}

interface ListProps {
  q: string;
  sort: Sort;
  add: React.ReactNode;
  onEdit: ((template: Template) => void) | null;
}

function List({ q, sort, add, onEdit }: ListProps) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    templatesQuery(q, sort),
  );
  if (isPending)
    return (
      <Stack aria-busy="true" aria-label={texts.common.loading}>
        {[0, 1, 2].map((n) => (
          <Skeleton key={n} h={96} />
        ))}
      </Stack>
    );
  if (error !== null) return <ProblemNote error={error} onRetry={() => void refetch()} />;
  const items = data.pages.flatMap((page) => page.items);
  if (items.length === 0)
    return q === "" ? (
      <Empty icon={<IconFileText size={40} />} title={t.emptyTitle} text={t.empty} action={add} />
    ) : (
      <Empty icon={<IconSearch size={40} />} title={t.noneFound} text={t.noneFoundText} />
    );
  return (
    <Stack component="ul" p={0} m={0} gap="sm" style={{ listStyle: "none" }}>
      {items.map((template) => (
        <Row key={template.id} template={template} onEdit={onEdit} />
      ))}
      {hasNextPage && (
        <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {texts.common.more}
        </Button>
      )}
    </Stack>
  );
}

function Row({ template, onEdit }: { template: Template; onEdit: ListProps["onEdit"] }) {
  return (
    <Card component="li" withBorder p="sm">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h5">
              {template.name}
            </Title>
            {template.category !== null && (
              <Badge variant="light" tt="none">
                {template.category}
              </Badge>
            )}
          </Group>
          <Text size="sm" mt={4} lineClamp={3} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {template.body}
          </Text>
          <Text size="xs" c="dimmed" mt={4}>
            {t.used(template.usage_count)} · {t.mostParts(template.segments_most)}
          </Text>
        </div>
        {onEdit !== null && <Actions template={template} onEdit={onEdit} />}
      </Group>
    </Card>
  );
}

function Actions({ template, onEdit }: { template: Template; onEdit: (template: Template) => void }) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: TEMPLATES });
  const restore = useMutation({
    mutationFn: () =>
      saveTemplate(null, { name: template.name, body: template.body, category: template.category }),
    onError: tellProblem,
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: () => deleteTemplate(template.id),
    onSuccess: () => {
      tellWithUndo(t.deleted(template.name), () => { restore.mutate(); });
    },
    onError: tellProblem,
    onSettled: refresh,
  });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t.actions(template.name)}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => { onEdit(template); }}>
          {t.edit}
        </Menu.Item>
        <Menu.Item
          color="red"
          leftSection={<IconTrash size={16} />}
          disabled={remove.isPending}
          onClick={() => { remove.mutate(); }}
        >
          {texts.common.delete}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

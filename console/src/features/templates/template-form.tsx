import { Badge, Button, Drawer, Group, Paper, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { ProblemNote } from "@/components/problem-note";
import { texts } from "@/texts";

import { previewQuery, saveTemplate, type Template, TEMPLATES } from "./api";

const t = texts.templates;

interface Props {
  /** The template to change; null for a new one. */
  template: Template | null;
  onClose: () => void;
}

/** Writing a template beside what it becomes. */
export function TemplateForm({ template, onClose }: Props) {
  const [name, setName] = useState(template?.name ?? "");
  const [category, setCategory] = useState(template?.category ?? "");
  const [body, setBody] = useState(template?.body ?? "");
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () => saveTemplate(template?.id ?? null, { name, body, category: category.trim() || null }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: TEMPLATES });
      onClose();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={template === null ? t.add : t.edit}>
      <form onSubmit={submit}>
        <Stack>
          {save.isError && <ProblemNote error={save.error} />}
          <TextInput
            label={t.name}
            required
            maxLength={100}
            value={name}
            data-autofocus
            onChange={(event) => { setName(event.currentTarget.value); }}
          />
          <TextInput
            label={t.category}
            maxLength={50}
            value={category}
            onChange={(event) => { setCategory(event.currentTarget.value); }}
          />
          <Textarea
            label={t.body}
            description={t.bodyHelp}
            required
            autosize
            minRows={4}
            maxRows={14}
            maxLength={5000}
            value={body}
            onChange={(event) => { setBody(event.currentTarget.value); }}
          />
          <Preview body={body} />
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

function Preview({ body }: { body: string }) {
  const [settled] = useDebouncedValue(body, 300);
  const { data, error } = useQuery(previewQuery(settled));
  if (settled.trim() === "") return null;
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return null;
  return (
    <Paper withBorder p="sm" aria-live="polite">
      <Group justify="space-between" mb={4}>
        <Text size="xs" c="dimmed">
          {t.preview}
        </Text>
        <Badge variant="light" tt="none">
          {t.parts(data.num_segments)} · {t.mostParts(data.segments_most)}
        </Badge>
      </Group>
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {data.body}
      </Text>
      {data.unresolved.length > 0 && (
        <Text size="sm" c="red" mt={4}>
          {t.missing(data.unresolved.join(", "))}
        </Text>
      )}
    </Paper>
  );
}

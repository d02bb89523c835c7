import { Button, Card, Drawer, Group, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconMessage } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type SyntheticEvent, useState } from "react";

import { LongList } from "@/components/long-list";
import { Empty, Page } from "@/components/page";
import { phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { StatusBadge } from "@/components/status-badge";
import { tell, tellProblem } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { dateTime, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { cancel, type Message, MESSAGES, messagesQuery, release, stepsQuery } from "./api";
import { type MessagesSearch, messagesSearch, STATUSES } from "./search";

const t = texts.messages;

/** All texts, both ways, and what happened to each. */
export function Messages() {
  const filters = useSearch({ from: "/sms" });
  const query = useInfiniteQuery(messagesQuery(filters));
  const [shown, setShown] = useState<Message | null>(null);
  const isFiltered = Object.keys(filters).length > 0;
  return (
    <Page title={t.title}>
      <Filters filters={filters} />
      <LongList
        label={t.label}
        rows={query.data?.pages.flatMap((page) => page.items) ?? []}
        query={query}
        rowHeight={120}
        height="calc(100dvh - 250px)"
        empty={
          <Empty
            icon={<IconMessage size={40} />}
            title={isFiltered ? t.noneFound : t.emptyTitle}
            text={isFiltered ? t.noneFoundText : t.empty}
          />
        }
      >
        {(message) => <Row message={message} onShow={setShown} />}
      </LongList>
      {shown !== null && <Steps message={shown} onClose={() => { setShown(null); }} />}
    </Page>
  );
}

function Filters({ filters }: { filters: MessagesSearch }) {
  const navigate = useNavigate();
  const [number, setNumber] = useState(filters.number ?? "");
  const go = (search: Record<string, unknown>) =>
    void navigate({ to: "/sms", search: messagesSearch(search), replace: true });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const plain = number.replace(/[^\d+]/g, "");
    go({ ...filters, number: /^\d{10}$/.test(plain) ? `+1${plain}` : plain });
  };
  return (
    <Group align="flex-end" gap="sm">
      <Select
        label={t.direction}
        w={140}
        allowDeselect={false}
        value={filters.direction ?? ""}
        data={[
          { value: "", label: t.any },
          { value: "inbound", label: t.inbound },
          { value: "outbound", label: t.outbound },
        ]}
        onChange={(direction) => { go({ ...filters, direction }); }}
      />
      <Select
        label={t.status}
        w={160}
        allowDeselect={false}
        value={filters.status ?? ""}
        data={[{ value: "", label: t.any }, ...STATUSES.map((one) => ({ value: one, label: texts.statuses[one] }))]}
        onChange={(status) => { go({ ...filters, status }); }}
      />
      <form onSubmit={submit}>
        <TextInput
          type="tel"
          label={t.number}
          placeholder="+16025550143"
          w={180}
          value={number}
          onChange={(event) => { setNumber(event.currentTarget.value); }}
          onBlur={submit}
        />
      </form>
      {Object.keys(filters).length > 0 && (
        <Button
          variant="subtle"
          onClick={() => {
            setNumber("");
            go({});
          }}
        >
          {t.clear}
        </Button>
      )}
    </Group>
  );
}

function Row({ message, onShow }: { message: Message; onShow: (message: Message) => void }) {
  const zone = useZone();
  const maySend = useMay("send");
  const mayManage = useMay("manage");
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: MESSAGES });
  const letGo = useMutation({
    mutationFn: () => release(message.id),
    onSuccess: () => { tell(t.released); },
    onError: tellProblem,
    onSettled: refresh,
  });
  const stop = useMutation({
    mutationFn: () => cancel(message.id),
    onSuccess: () => { tell(t.canceled); },
    onError: tellProblem,
    onSettled: refresh,
  });
  const isHeld = message.status === "held";
  const from = message.from_number === null ? t.noSender : phoneText(message.from_number);
  return (
    <Card withBorder p="sm" mb="xs">
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          {t.fromTo(from, phoneText(message.to_number))}
        </Text>
        <StatusBadge status={message.status} />
      </Group>
      <Text size="sm" lineClamp={3} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {message.body}
      </Text>
      {message.reason !== null && <Text size="sm">{message.reason}</Text>}
      <Group justify="space-between" gap="xs" mt={4}>
        <Text size="xs" c="dimmed">
          {dateTime(message.created_at, zone)} · {t.parts(message.num_segments)}
          {message.num_media > 0 && ` · ${t.attachments(message.num_media)}`}
        </Text>
        <Group gap="xs">
          {isHeld && mayManage && (
            <Button size="xs" variant="light" loading={letGo.isPending} onClick={() => { letGo.mutate(); }}>
              {t.release}
            </Button>
          )}
          {isHeld && maySend && (
            <Button size="xs" variant="default" loading={stop.isPending} onClick={() => { stop.mutate(); }}>
              {texts.common.cancel}
            </Button>
          )}
          <Button size="xs" variant="subtle" onClick={() => { onShow(message); }}>
            {t.steps}
          </Button>
        </Group>
      </Group>
    </Card>
  );
}

function Steps({ message, onClose }: { message: Message; onClose: () => void }) {
  const zone = useZone();
  const { data, error, refetch } = useQuery(stepsQuery(message.id));
  return (
    <Drawer opened onClose={onClose} position="right" title={t.stepsTitle} closeButtonProps={{ "aria-label": texts.common.close }}>
      <Stack>
        <StatusBadge status={message.status} />
        {message.reason !== null && <Text>{message.reason}</Text>}
        {error !== null && <ProblemNote error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton h={96} aria-label={texts.common.loading} />}
        {data?.items.length === 0 && <Text>{t.noSteps}</Text>}
        {data?.items.map((step) => (
          <div key={step.id}>
            <Text size="sm" fw={600}>
              {step.kind.replace(/^message\./, "").replaceAll("_", " ")}
            </Text>
            {typeof step.detail.reason === "string" && <Text size="sm">{step.detail.reason}</Text>}
            <Text size="xs" c="dimmed">
              {dateTime(step.at, zone)}
            </Text>
          </div>
        ))}
      </Stack>
    </Drawer>
  );
}

import { Alert, Badge, Button, Card, Group, Loader, SegmentedControl, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconPhone, IconStar } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { LongList } from "@/components/long-list";
import { Empty, Page } from "@/components/page";
import { Phone, phoneText } from "@/components/phone";
import { tellProblem } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { dateTime, day, shortTime, timeOfDay, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { NUMBERS, numbersQuery, type PhoneNumber, type Show, syncNumbers, syncQuery } from "./api";
import { BuyNumber } from "./buy-number";
import { EditNumber } from "./edit-number";

const t = texts.numbers;

/** The company's phone numbers. */
export function Numbers() {
  const isAdmin = useMay("admin");
  const { show = "all" } = useSearch({ from: "/numbers" });
  const navigate = useNavigate();
  const [editing, setEditing] = useState<PhoneNumber | null>(null);
  const [buys, setBuys] = useState(false);
  const query = useInfiniteQuery(numbersQuery(show));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const actions = isAdmin ? (
    <>
      <SyncButton />
      <Button onClick={() => { setBuys(true); }}>{t.buy}</Button>
    </>
  ) : undefined;
  return (
    <Page title={t.title} actions={actions}>
      <SyncState />
      <SegmentedControl<Show>
        aria-label={t.filter}
        value={show}
        onChange={(next) => {
          void navigate({ to: "/numbers", search: next === "all" ? {} : { show: next }, replace: true });
        }}
        data={[
          { value: "all", label: t.all },
          { value: "active", label: t.active },
          { value: "inactive", label: t.inactive },
          { value: "released", label: t.released },
        ]}
        style={{ alignSelf: "flex-start", maxWidth: "100%" }}
      />
      <LongList
        label={t.label}
        rows={rows}
        query={query}
        rowHeight={120}
        height="calc(100dvh - 260px)"
        empty={
          <Empty
            icon={<IconPhone size={40} />}
            title={t.emptyTitle}
            text={show !== "all" ? t.noneFound : isAdmin ? t.emptyAdmin : t.empty}
          />
        }
      >
        {(number) => <Row number={number} onEdit={isAdmin && number.released_at === null ? setEditing : null} />}
      </LongList>
      {editing !== null && <EditNumber number={editing} onClose={() => { setEditing(null); }} />}
      {buys && <BuyNumber onClose={() => { setBuys(false); }} />}
    </Page>
  );
}

function SyncButton() {
  const client = useQueryClient();
  const { data } = useQuery(syncQuery);
  const sync = useMutation({
    mutationFn: syncNumbers,
    onError: tellProblem,
    onSettled: () => client.invalidateQueries({ queryKey: syncQuery.queryKey }),
  });
  return (
    <Button
      variant="default"
      loading={sync.isPending}
      disabled={Boolean(data?.current)}
      onClick={() => { sync.mutate(); }}
    >
      {t.sync}
    </Button>
  );
}

function SyncState() {
  const zone = useZone();
  const client = useQueryClient();
  const { data } = useQuery(syncQuery);
  const runId = data?.current?.id ?? null;
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (before.current !== null && runId === null) void client.invalidateQueries({ queryKey: [...NUMBERS, "list"] });
    before.current = runId;
  }, [runId, client]);
  if (data === undefined) return null;
  const { current, phone_numbers: stand } = data;
  if (current !== null) {
    const stage = current.stages.find((one) => one.name === current.stage);
    const name = current.stage === null ? t.starting : (t.stages[current.stage] ?? current.stage);
    return (
      <Group gap="xs" role="status">
        <Loader size="xs" aria-hidden />
        <Text size="sm">
          {current.waits_until !== null
            ? (current.error ?? t.waits(timeOfDay(current.waits_until, zone)))
            : t.syncing(name, stage?.seen ?? 0)}
        </Text>
      </Group>
    );
  }
  const last = data.runs[0];
  return (
    <>
      {last?.status === "failed" && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t.lastFailed}>
          {last.error}
        </Alert>
      )}
      <Text size="sm" c="dimmed" role="status">
        {stand.last_synced_at === null ? t.neverSynced : t.lastSynced(dateTime(stand.last_synced_at, zone))}
      </Text>
    </>
  );
}

function Row({ number, onEdit }: { number: PhoneNumber; onEdit: ((number: PhoneNumber) => void) | null }) {
  const zone = useZone();
  const isReleased = number.released_at !== null;
  const can = (["sms", "mms", "voice"] as const).filter((one) => number[one]).map((one) => t.capabilities[one]);
  const shown = phoneText(number.phone_number);
  const facts = [
    number.rotation_enabled ? t.rotation(number.rotation_priority) : t.noRotation,
    t.rate(number.segments_per_second),
    number.last_used_at === null ? t.neverUsed : t.lastUsed(shortTime(number.last_used_at, zone)),
  ];
  return (
    <Card withBorder p="sm" mb="xs">
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h5">
              <Phone number={number.phone_number} />
            </Title>
            {isReleased ? (
              <Badge variant="light" color="gray" tt="none">
                {t.releasedAt(day(number.released_at ?? "", zone))}
              </Badge>
            ) : (
              <Badge variant="light" color={number.status === "active" ? "fence" : "gray"} tt="none">
                {number.status === "active" ? t.active : t.inactive}
              </Badge>
            )}
            {number.is_default && (
              <Badge variant="light" tt="none" leftSection={<IconStar size={12} aria-hidden />}>
                {t.defaultNumber}
              </Badge>
            )}
          </Group>
          {number.friendly_name !== "" && number.friendly_name !== number.phone_number && (
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {number.friendly_name}
            </Text>
          )}
          <Text size="sm">{can.join(" · ")}</Text>
          {!isReleased && (
            <>
              <Text size="xs" c="dimmed">
                {facts.join(" · ")}
              </Text>
              <Group gap={4} mt={2}>
                {number.receives_here ? <IconCheck size={14} aria-hidden /> : <IconAlertTriangle size={14} aria-hidden />}
                <Text size="xs">{number.receives_here ? t.receives : t.receivesNot}</Text>
              </Group>
            </>
          )}
        </div>
        {onEdit !== null && (
          <Button size="xs" variant="default" aria-label={t.editOne(shown)} onClick={() => { onEdit(number); }} style={{ flexShrink: 0 }}>
            {t.edit}
          </Button>
        )}
      </Group>
    </Card>
  );
}

import { Alert, Badge, Button, Card, Group, type MantineColor, Modal, Select, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import {
  IconAlertCircle,
  IconCheck,
  IconClock,
  IconHelpCircle,
  IconPhone,
  IconPhoneCall,
  IconPhoneIncoming,
  IconPhoneOutgoing,
  IconPhoneX,
} from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ComponentType, type SyntheticEvent, useEffect, useRef, useState } from "react";

import { LongList } from "@/components/long-list";
import { Empty, Page } from "@/components/page";
import { Phone, phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { tell, tellProblem } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { duration, shortTime, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { type Call, callQuery, CALLS, callsQuery, hangUp, isUnderWay, oursOf, outsideOf, placeCall, redial, writeNotes } from "./api";
import { type CallsSearch, callsSearch, STATUSES } from "./search";

const t = texts.calls;

/** All calls, both ways. */
export function Calls() {
  const maySend = useMay("send");
  const filters = useSearch({ from: "/calls" });
  const [places, setPlaces] = useState(false);
  const [liveId, setLiveId] = useState<string | null>(null);
  const [noting, setNoting] = useState<Call | null>(null);
  const query = useInfiniteQuery(callsQuery(filters));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered = Object.keys(filters).length > 0;
  const actions = maySend ? (
    <Button leftSection={<IconPhoneCall size={16} aria-hidden />} onClick={() => { setPlaces(true); }}>
      {t.place}
    </Button>
  ) : undefined;
  return (
    <Page title={t.title} actions={actions}>
      <Filters filters={filters} />
      {liveId !== null && <Live key={liveId} id={liveId} onHide={() => { setLiveId(null); }} />}
      <LongList
        label={t.label}
        rows={rows}
        query={query}
        rowHeight={110}
        height="calc(100dvh - 250px)"
        empty={
          isFiltered ? (
            <Empty icon={<IconPhone size={40} />} title={t.noneFound} text={t.noneFoundText} />
          ) : (
            <Empty
              icon={<IconPhone size={40} />}
              title={t.emptyTitle}
              text={maySend ? t.emptySender : t.empty}
              action={actions}
            />
          )
        }
      >
        {(call) => <Row call={call} maySend={maySend} onPlaced={setLiveId} onNote={setNoting} />}
      </LongList>
      {places && (
        <Place
          onClose={() => { setPlaces(false); }}
          onPlaced={(id) => {
            setPlaces(false);
            setLiveId(id);
          }}
        />
      )}
      {noting !== null && <Notes call={noting} onClose={() => { setNoting(null); }} />}
    </Page>
  );
}

function Filters({ filters }: { filters: CallsSearch }) {
  const navigate = useNavigate();
  const [number, setNumber] = useState(filters.number ?? "");
  const [shownFor, setShownFor] = useState(filters.number);
  if (shownFor !== filters.number) {
    setShownFor(filters.number);
    setNumber(filters.number ?? "");
  }
  const go = (search: Record<string, unknown>) =>
    void navigate({ to: "/calls", search: callsSearch(search), replace: true });
  const change = (changed: Record<string, unknown>) => { go({ ...filters, ...changed }); };
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const plain = number.replace(/[^\d+]/g, "");
    change({ number: /^\d{10}$/.test(plain) ? `+1${plain}` : plain });
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
        onChange={(direction) => { change({ direction }); }}
      />
      <Select
        label={t.status}
        w={160}
        allowDeselect={false}
        value={filters.status ?? ""}
        data={[{ value: "", label: t.any }, ...STATUSES.map((one) => ({ value: one, label: t.statuses[one] ?? one }))]}
        onChange={(status) => { change({ status }); }}
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
        <Button variant="subtle" onClick={() => { go({}); }}>
          {t.clear}
        </Button>
      )}
    </Group>
  );
}

const LOOKS: Readonly<Record<string, { color: MantineColor; icon: ComponentType<{ size?: number | string }> }>> = {
  queued: { color: "gray", icon: IconClock },
  unconfirmed: { color: "orange", icon: IconHelpCircle },
  initiated: { color: "blue", icon: IconPhoneOutgoing },
  ringing: { color: "blue", icon: IconPhoneCall },
  in_progress: { color: "fence", icon: IconPhone },
  completed: { color: "fence", icon: IconCheck },
  busy: { color: "orange", icon: IconPhoneX },
  no_answer: { color: "orange", icon: IconPhoneX },
  failed: { color: "red", icon: IconAlertCircle },
  canceled: { color: "gray", icon: IconPhoneX },
};

function CallStatus({ call }: { call: Call }) {
  const look = LOOKS[call.status] ?? { color: "gray", icon: IconHelpCircle };
  return (
    <Badge variant="light" color={look.color} tt="none" leftSection={<look.icon size={12} aria-hidden />}>
      {t.statuses[call.status] ?? call.status}
    </Badge>
  );
}

function reasonText(call: Call): string | null {
  if (call.reason === null) return null;
  return t.reasons[call.reason] ?? call.reason.replaceAll("_", " ");
}

interface RowProps {
  call: Call;
  maySend: boolean;
  onPlaced: (id: string) => void;
  onNote: (call: Call) => void;
}

function Row({ call, maySend, onPlaced, onNote }: RowProps) {
  const zone = useZone();
  const client = useQueryClient();
  const again = useMutation({
    mutationFn: () => redial(call.id),
    onSuccess: (placed) => {
      tell(t.started);
      onPlaced(placed.id);
    },
    onError: tellProblem,
    onSettled: () => client.invalidateQueries({ queryKey: [...CALLS, "list"] }),
  });
  const outside = outsideOf(call);
  const isIn = call.direction === "inbound";
  const Direction = isIn ? IconPhoneIncoming : IconPhoneOutgoing;
  const facts = [
    isIn ? t.inbound : t.outbound,
    t.via(phoneText(oursOf(call))),
    call.duration_seconds === null || call.duration_seconds === 0 ? null : t.lasted(duration(call.duration_seconds)),
    reasonText(call),
  ];
  return (
    <Card withBorder p="sm" mb="xs">
      <Group justify="space-between" align="flex-start" gap="xs">
        <div style={{ minWidth: 0, flex: "1 1 240px" }}>
          <Group gap="xs">
            <Direction size={18} aria-hidden />
            <Title order={2} size="h5">
              <Phone number={outside} />
            </Title>
            <CallStatus call={call} />
            <Text size="xs" c="dimmed" component="time" dateTime={call.created_at}>
              {shortTime(call.created_at, zone)}
            </Text>
          </Group>
          <Text size="sm" c="dimmed">
            {facts.filter((fact) => fact !== null).join(" · ")}
          </Text>
          {call.notes !== "" && (
            <Text size="sm" mt={4} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {t.notes}: {call.notes}
            </Text>
          )}
          {call.recordings.map((recording) => (
            <Recording key={recording.id} recording={recording} outside={outside} />
          ))}
        </div>
        {maySend && (
          <Group gap="xs">
            <Button
              size="xs"
              variant="subtle"
              aria-label={t.notesOf(phoneText(outside))}
              onClick={() => { onNote(call); }}
            >
              {call.notes === "" ? t.addNotes : t.editNotes}
            </Button>
            <Button
              size="xs"
              variant="default"
              aria-label={t.redialOne(phoneText(outside))}
              loading={again.isPending}
              disabled={isUnderWay(call)}
              onClick={() => { again.mutate(); }}
            >
              {isIn ? t.callBack : t.redial}
            </Button>
          </Group>
        )}
      </Group>
    </Card>
  );
}

function Recording({ recording, outside }: { recording: Call["recordings"][number]; outside: string }) {
  const kind = recording.kind === "voicemail" ? t.voicemail : t.recording;
  return (
    <div style={{ marginTop: 6 }}>
      <Text size="xs" c="dimmed">
        {kind}
        {recording.duration_seconds !== null && ` · ${duration(recording.duration_seconds)}`}
      </Text>
      {recording.url === null ? (
        <Text size="sm">{recording.reason === null ? t.notYet : t.gone}</Text>
      ) : (
        // Nobody writes captions for a telephone call.
        // eslint-disable-next-line jsx-a11y/media-has-caption
        <audio
          controls
          preload="none"
          src={recording.url}
          aria-label={t.playing(kind, phoneText(outside))}
          style={{ width: "100%", maxWidth: 360, height: 36 }}
        />
      )}
    </div>
  );
}

/** A call that was just placed, as it goes on. */
function Live({ id, onHide }: { id: string; onHide: () => void }) {
  const client = useQueryClient();
  const { data: call, error, refetch } = useQuery(callQuery(id));
  const end = useMutation({
    mutationFn: () => hangUp(id),
    onError: tellProblem,
    onSettled: () => client.invalidateQueries({ queryKey: CALLS }),
  });
  const status = call?.status;
  const seen = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (seen.current !== status) void client.invalidateQueries({ queryKey: [...CALLS, "list"] });
    seen.current = status;
  }, [status, client]);
  if (error !== null && call === undefined) return <ProblemNote error={error} onRetry={() => void refetch()} />;
  if (call === undefined) return null;
  const reason = reasonText(call);
  return (
    <Alert icon={<IconPhoneCall aria-hidden />} title={t.liveTitle(phoneText(outsideOf(call)))}>
      <Group justify="space-between">
        <Group gap="xs" role="status">
          <CallStatus call={call} />
          {reason !== null && <Text size="sm">{reason}</Text>}
        </Group>
        {isUnderWay(call) ? (
          <Button size="xs" color="red" loading={end.isPending} onClick={() => { end.mutate(); }}>
            {t.hangUp}
          </Button>
        ) : (
          <Button size="xs" variant="default" onClick={onHide}>
            {t.hide}
          </Button>
        )}
      </Group>
    </Alert>
  );
}

function Place({ onClose, onPlaced }: { onClose: () => void; onPlaced: (id: string) => void }) {
  const [to, setTo] = useState("");
  const place = useMutation({
    mutationFn: () => placeCall(to.trim()),
    onSuccess: (call) => {
      tell(t.started);
      onPlaced(call.id);
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!place.isPending && !place.isSuccess) place.mutate();
  };
  return (
    <Modal closeButtonProps={{ "aria-label": texts.common.close }} opened onClose={onClose} title={t.place}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t.placeText}</Text>
          {place.isError && <ProblemNote error={place.error} />}
          <TextInput
            type="tel"
            label={t.to}
            required
            value={to}
            maxLength={40}
            data-autofocus
            onChange={(event) => { setTo(event.currentTarget.value); }}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {texts.common.cancel}
            </Button>
            <Button type="submit" loading={place.isPending}>
              {t.call}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Notes({ call, onClose }: { call: Call; onClose: () => void }) {
  const [notes, setNotes] = useState(call.notes);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () => writeNotes(call.id, notes),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: CALLS });
      tell(t.notesSaved);
      onClose();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  return (
    <Modal closeButtonProps={{ "aria-label": texts.common.close }} opened onClose={onClose} title={t.notesOf(phoneText(outsideOf(call)))}>
      <form onSubmit={submit}>
        <Stack>
          {save.isError && <ProblemNote error={save.error} />}
          <Textarea
            label={t.notes}
            autosize
            minRows={4}
            maxRows={12}
            maxLength={10_000}
            value={notes}
            data-autofocus
            onChange={(event) => { setNotes(event.currentTarget.value); }}
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
    </Modal>
  );
}

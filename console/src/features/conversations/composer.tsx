import { Button, Group, Paper, SegmentedControl, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";

import { newIdempotencyKey } from "@/api/client";
import { phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { SegmentCounter } from "@/components/segment-counter";
import { tell, tellProblem, tellWithUndo } from "@/lib/feedback";
import { keptKey } from "@/lib/session";
import { useSession } from "@/lib/session-context";
import { texts } from "@/texts";

import { type Conversation, CONVERSATIONS, nameOf, sendReply, takeBack, writeNote } from "./api";

const t = texts.conversations;

export type Mode = "reply" | "note";

interface Props {
  conversation: Conversation;
  mode: Mode;
  onMode: (mode: Mode) => void;
  field: RefObject<HTMLTextAreaElement | null>;
}

/** Writing an answer or a note. What is typed is kept for its own conversation until it is sent. */
export function Composer({ conversation, mode, onMode, field }: Props) {
  const { me } = useSession();
  const kept = keptKey(me, `draft:${conversation.id}:${mode}`);
  const [body, setBody] = useState(() => window.sessionStorage.getItem(kept) ?? "");
  const key = useRef(newIdempotencyKey());
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: CONVERSATIONS });
  useEffect(() => {
    if (body === "") window.sessionStorage.removeItem(kept);
    else window.sessionStorage.setItem(kept, body);
  }, [body, kept]);

  const undo = useMutation({
    mutationFn: takeBack,
    onSuccess: () => { tell(t.takenBack); },
    onError: tellProblem,
    onSettled: refresh,
  });
  const send = useMutation({
    mutationFn: async (text: string) => {
      if (mode === "note") await writeNote(conversation.id, text);
      else {
        const message = await sendReply(conversation, text, key.current);
        tellWithUndo(t.handedIn, () => { undo.mutate(message.id); });
      }
    },
    onSuccess: () => {
      key.current = newIdempotencyKey();
      setBody("");
      field.current?.focus();
    },
    onSettled: refresh,
  });
  const submit = () => {
    if (body.trim() !== "" && !send.isPending) send.mutate(body);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    // A held key repeats; one press is one text.
    if (!event.repeat) submit();
  };
  return (
    <Paper withBorder p="xs" m="xs" {...(mode === "note" ? { bg: "light-dark(#fff9db, #3b3413)" } : {})}>
      <Stack gap={6}>
        {send.isError && <ProblemNote error={send.error} />}
        <Group justify="space-between">
          <SegmentedControl<Mode>
            size="xs"
            aria-label={t.mode}
            value={mode}
            onChange={onMode}
            data={[
              { value: "reply", label: t.reply },
              { value: "note", label: t.note },
            ]}
          />
          <Text size="xs" c="dimmed" visibleFrom="sm">
            {t.hint}
          </Text>
        </Group>
        <Textarea
          ref={field}
          aria-label={mode === "note" ? t.noteLabel : t.replyLabel(nameOf(conversation, phoneText))}
          autosize
          minRows={2}
          maxRows={8}
          maxLength={mode === "note" ? 5000 : 1600}
          value={body}
          onChange={(event) => {
            setBody(event.currentTarget.value);
            // Other words are another intention, also after an answer that was lost.
            key.current = newIdempotencyKey();
          }}
          onKeyDown={onKeyDown}
        />
        <Group justify="space-between">
          <Button size="xs" loading={send.isPending} disabled={body.trim() === ""} onClick={submit}>
            {mode === "note" ? t.saveNote : t.send}
          </Button>
          {mode === "reply" && body !== "" && <SegmentCounter body={body} onReplace={setBody} />}
        </Group>
      </Stack>
    </Paper>
  );
}

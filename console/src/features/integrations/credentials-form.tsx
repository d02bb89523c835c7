import { Alert, Button, Checkbox, Group, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { ProblemNote } from "@/components/problem-note";
import { tell } from "@/lib/feedback";
import { texts } from "@/texts";

import { type Connected, type Outcome, saveCredentials } from "./api";

const t = texts.integrations;
const SID = /^AC[0-9a-f]{32}$/i;

interface Props {
  /** The account whose credentials are replaced; null for a first connection. */
  current: Connected | null;
  onDone: (outcomes: Outcome[] | null) => void;
  onCancel?: () => void;
}

/** The fields that connect a Twilio account. */
export function CredentialsForm({ current, onDone, onCancel }: Props) {
  const [sid, setSid] = useState(current?.account_sid ?? "");
  const [token, setToken] = useState("");
  const [name, setName] = useState("");
  const [webhooks, setWebhooks] = useState(false);
  const [isTried, setTried] = useState(false);
  const client = useQueryClient();
  const plainSid = sid.trim();
  const isOther = current !== null && plainSid !== current.account_sid;
  const sidWrong = !SID.test(plainSid);
  const tokenMissing = token.trim() === "" && (current === null || isOther);
  const save = useMutation({
    mutationFn: () =>
      saveCredentials(current !== null, { sid: plainSid, token: token.trim(), name: name.trim(), webhooks }),
    gcTime: 0,
    onSuccess: (answer) => {
      setToken("");
      tell(current === null ? t.connected : t.replaced);
      onDone(answer.webhook_outcomes ?? null);
      void client.invalidateQueries();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    setTried(true);
    if (!save.isPending && !sidWrong && !tokenMissing) save.mutate();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack maw={560}>
        {save.isError && <ProblemNote error={save.error} />}
        <TextInput
          label={t.sid}
          description={t.sidHelp}
          required
          value={sid}
          onChange={(event) => { setSid(event.currentTarget.value); }}
          error={sidWrong && (isTried || plainSid.length >= 34 || /^SK/i.test(plainSid)) ? t.sidWrong : undefined}
          autoComplete="off"
          spellCheck={false}
          ff="monospace"
        />
        <PasswordInput
          label={t.token}
          description={current === null ? t.tokenHelp : t.tokenKept}
          required={current === null || isOther}
          value={token}
          onChange={(event) => { setToken(event.currentTarget.value); }}
          error={isTried && tokenMissing ? t.tokenNeeded : undefined}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          label={t.name}
          description={current === null ? t.nameHelp : t.nameKept}
          maxLength={64}
          value={name}
          onChange={(event) => { setName(event.currentTarget.value); }}
          autoComplete="off"
        />
        <Checkbox
          label={t.webhooks}
          description={t.webhooksHelp}
          checked={webhooks}
          onChange={(event) => { setWebhooks(event.currentTarget.checked); }}
        />
        {isOther && !sidWrong && (
          <Alert color="yellow" role="status">
            <Text size="sm">{t.otherAccount}</Text>
          </Alert>
        )}
        <Group justify={onCancel === undefined ? "flex-start" : "flex-end"}>
          {onCancel !== undefined && (
            <Button variant="default" onClick={onCancel}>
              {texts.common.cancel}
            </Button>
          )}
          <Button type="submit" loading={save.isPending}>
            {current === null ? t.connect : t.replaceSubmit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

import { Alert, Anchor, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { api, setCsrfToken, unwrap } from "@/api/client";
import { ProblemNote } from "@/components/problem-note";
import type { Me } from "@/lib/session";
import { texts } from "@/texts";

interface Props {
  notice: string | null;
  onLoggedIn: (me: Me) => void;
}

/** E-mail and password, or a link to a new password. */
export function LogIn({ notice, onLoggedIn }: Props) {
  const [hasForgotten, setHasForgotten] = useState(false);
  useDocumentTitle(`${texts.login.title} · ${texts.product}`);
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder p="xl" w="100%" maw={420}>
        {hasForgotten ? (
          <Reset onBack={() => { setHasForgotten(false); }} />
        ) : (
          <Password
            notice={notice}
            onLoggedIn={onLoggedIn}
            onForgot={() => { setHasForgotten(true); }}
          />
        )}
      </Paper>
    </Center>
  );
}

function Password({ notice, onLoggedIn, onForgot }: Props & { onForgot: () => void }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const logIn = useMutation({
    mutationFn: () => unwrap(api.POST("/api/auth/login", { body: { email, password } })),
    onSuccess: (me) => {
      setCsrfToken(me.csrf_token);
      onLoggedIn(me);
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!logIn.isPending) logIn.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <div>
          <Text fw={700} c="fence">
            {texts.product}
          </Text>
          <Title order={1} size="h2">
            {texts.login.title}
          </Title>
        </div>
        {notice !== null && <Alert role="status">{notice}</Alert>}
        {logIn.isError && <ProblemNote error={logIn.error} />}
        <TextInput
          label={texts.login.email}
          type="email"
          autoComplete="username"
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => { setEmail(event.currentTarget.value); }}
        />
        <PasswordInput
          label={texts.login.password}
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => { setPassword(event.currentTarget.value); }}
        />
        <Button type="submit" loading={logIn.isPending}>
          {texts.login.submit}
        </Button>
        <Anchor component="button" type="button" size="sm" onClick={onForgot}>
          {texts.login.forgot}
        </Anchor>
      </Stack>
    </form>
  );
}

function Reset({ onBack }: { onBack: () => void }) {
  const [email, setEmail] = useState("");
  const ask = useMutation({
    mutationFn: () => unwrap(api.POST("/api/auth/password-reset", { body: { email } })),
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!ask.isPending) ask.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Title order={1} size="h2">
          {texts.login.resetTitle}
        </Title>
        {ask.isError && <ProblemNote error={ask.error} />}
        {ask.isSuccess ? (
          <Alert role="status">{texts.login.resetAsked}</Alert>
        ) : (
          <>
            <TextInput
              label={texts.login.email}
              type="email"
              autoComplete="username"
              required
              withAsterisk={false}
              value={email}
              onChange={(event) => { setEmail(event.currentTarget.value); }}
            />
            <Button type="submit" loading={ask.isPending}>
              {texts.login.resetSubmit}
            </Button>
          </>
        )}
        <Anchor component="button" type="button" size="sm" onClick={onBack}>
          {texts.login.back}
        </Anchor>
      </Stack>
    </form>
  );
}

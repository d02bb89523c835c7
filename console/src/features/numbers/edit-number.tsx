import { Button, Drawer, Group, NumberInput, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useState } from "react";

import { phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { tell } from "@/lib/feedback";
import { texts } from "@/texts";

import { changeNumber, NUMBERS, type PhoneNumber } from "./api";

const t = texts.numbers;

/** What may be changed of a number. */
export function EditNumber({ number, onClose }: { number: PhoneNumber; onClose: () => void }) {
  const shown = phoneText(number.phone_number);
  const [name, setName] = useState(number.friendly_name);
  const [isActive, setActive] = useState(number.status === "active");
  const [isDefault, setDefault] = useState(number.is_default);
  const [rotates, setRotates] = useState(number.rotation_enabled);
  const [priority, setPriority] = useState<number | string>(number.rotation_priority);
  const [rate, setRate] = useState<number | string>(number.segments_per_second);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () =>
      changeNumber(number.id, {
        ...(name.trim() !== number.friendly_name && name.trim() !== "" ? { friendly_name: name.trim() } : {}),
        ...(isActive !== (number.status === "active") ? { status: isActive ? "active" : "inactive" } : {}),
        ...(isDefault && !number.is_default ? { is_default: true } : {}),
        ...(rotates !== number.rotation_enabled ? { rotation_enabled: rotates } : {}),
        ...(typeof priority === "number" && priority !== number.rotation_priority ? { rotation_priority: priority } : {}),
        ...(typeof rate === "number" && rate !== number.segments_per_second ? { segments_per_second: rate } : {}),
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: NUMBERS });
      tell(t.saved(shown));
      onClose();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate();
  };
  return (
    <Drawer closeButtonProps={{ "aria-label": texts.common.close }} opened onClose={onClose} position="right" title={t.editOne(shown)}>
      <form onSubmit={submit}>
        <Stack>
          {save.isError && <ProblemNote error={save.error} />}
          <TextInput
            label={t.name}
            value={name}
            maxLength={64}
            data-autofocus
            onChange={(event) => { setName(event.currentTarget.value); }}
          />
          <Switch
            label={t.isActive}
            checked={isActive}
            onChange={(event) => { setActive(event.currentTarget.checked); }}
          />
          {number.is_default ? (
            <Text size="sm">{t.isDefault}</Text>
          ) : (
            <Switch
              label={t.makeDefault}
              description={number.sms ? undefined : t.cannotText}
              disabled={!number.sms}
              checked={isDefault}
              onChange={(event) => { setDefault(event.currentTarget.checked); }}
            />
          )}
          <Switch
            label={t.inRotation}
            checked={rotates}
            onChange={(event) => { setRotates(event.currentTarget.checked); }}
          />
          <NumberInput
            label={t.priority}
            description={t.priorityHelp}
            value={priority}
            onChange={setPriority}
            min={0}
            max={1000}
            allowDecimal={false}
            disabled={!rotates}
          />
          <NumberInput
            label={t.perSecond}
            description={t.perSecondHelp}
            value={rate}
            onChange={setRate}
            min={0.01}
            max={100}
            decimalScale={2}
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

import { Alert, Button, Checkbox, Group, Modal, Select, Skeleton, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyntheticEvent, useEffect, useState } from "react";

import { newIdempotencyKey } from "@/api/client";
import { Phone, phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { texts } from "@/texts";

import { buyNumber, type Kind, NUMBERS, type Offer, offersQuery, purchaseQuery, type Wish } from "./api";

const t = texts.numbers;
const KINDS: readonly Kind[] = ["local", "mobile", "toll-free"];
const kindOf = (value: string | null): Kind => KINDS.find((kind) => kind === value) ?? "local";

function priceText(price: { micros: number; currency: string } | null): string | null {
  if (price === null) return null;
  return new Intl.NumberFormat(undefined, { style: "currency", currency: price.currency }).format(price.micros / 1e6);
}

/** Search a number, see its price, confirm, and watch what becomes of it. */
export function BuyNumber({ onClose }: { onClose: () => void }) {
  const [wish, setWish] = useState<Wish | null>(null);
  // A choice has one key from the moment it is made: pressing twice, or again after a lost answer, buys once.
  const [choice, setChoice] = useState<{ offer: Offer; price: string | null; key: string } | null>(null);
  return (
    <Modal closeButtonProps={{ "aria-label": texts.common.close }} opened onClose={onClose} title={t.buy} size="lg">
      {choice === null ? (
        <Stack>
          <Search wish={wish} onSearch={setWish} />
          {wish !== null && (
            <Offers
              wish={wish}
              onChoose={(offer, price) => { setChoice({ offer, price, key: newIdempotencyKey() }); }}
            />
          )}
        </Stack>
      ) : (
        <Confirm choice={choice} onBack={() => { setChoice(null); }} onClose={onClose} />
      )}
    </Modal>
  );
}

function Search({ wish, onSearch }: { wish: Wish | null; onSearch: (wish: Wish) => void }) {
  const [country, setCountry] = useState(wish?.country ?? "US");
  const [type, setType] = useState<Kind>(wish?.type ?? "local");
  const [areaCode, setAreaCode] = useState(wish?.areaCode ?? "");
  const [contains, setContains] = useState(wish?.contains ?? "");
  const [needs, setNeeds] = useState<string[]>([...(wish?.needs ?? ["sms"])]);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    onSearch({ country: country.trim().toUpperCase(), type, areaCode: areaCode.trim(), contains: contains.trim(), needs });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Group align="flex-start" grow preventGrowOverflow={false}>
          <TextInput
            label={t.country}
            description={t.countryHelp}
            required
            minLength={2}
            maxLength={2}
            value={country}
            data-autofocus
            onChange={(event) => { setCountry(event.currentTarget.value); }}
          />
          <TextInput
            label={t.areaCode}
            description={t.areaCodeHelp}
            inputMode="numeric"
            maxLength={6}
            value={areaCode}
            onChange={(event) => { setAreaCode(event.currentTarget.value); }}
          />
        </Group>
        <Group align="flex-start" grow preventGrowOverflow={false}>
          <Select
            label={t.type}
            allowDeselect={false}
            value={type}
            onChange={(value) => { setType(kindOf(value)); }}
            data={KINDS.map((kind) => ({ value: kind, label: t.types[kind] }))}
          />
          <TextInput
            label={t.contains}
            maxLength={16}
            value={contains}
            onChange={(event) => { setContains(event.currentTarget.value); }}
          />
        </Group>
        <Checkbox.Group label={t.needs} value={needs} onChange={setNeeds}>
          <Group mt={4}>
            <Checkbox value="sms" label={t.capabilities.sms} />
            <Checkbox value="mms" label={t.capabilities.mms} />
            <Checkbox value="voice" label={t.capabilities.voice} />
          </Group>
        </Checkbox.Group>
        <Button type="submit" style={{ alignSelf: "flex-start" }}>
          {t.search}
        </Button>
      </Stack>
    </form>
  );
}

function Offers({ wish, onChoose }: { wish: Wish; onChoose: (offer: Offer, price: string | null) => void }) {
  const { data, error, refetch } = useQuery(offersQuery(wish));
  if (error !== null) return <ProblemNote error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton h={120} aria-busy="true" aria-label={texts.common.loading} />;
  if (data.items.length === 0)
    return (
      <Text size="sm" role="status">
        {t.noOffers}
      </Text>
    );
  const price = priceText(data.monthly_price);
  return (
    <Stack gap="xs">
      <Text size="sm" fw={600} role="status">
        {price === null ? t.noPrice : t.price(price)}
      </Text>
      <Stack component="ul" gap="xs" p={0} m={0} style={{ listStyle: "none" }}>
        {data.items.map((offer) => (
          <Group component="li" key={offer.phone_number} justify="space-between" wrap="nowrap">
            <div style={{ minWidth: 0 }}>
              <Text size="sm" fw={600}>
                <Phone number={offer.phone_number} />
              </Text>
              <Text size="xs" c="dimmed">
                {[
                  [offer.locality, offer.region].filter(Boolean).join(", "),
                  ...(["sms", "mms", "voice"] as const).filter((one) => offer[one]).map((one) => t.capabilities[one]),
                ]
                  .filter((part) => part !== "")
                  .join(" · ")}
              </Text>
              {offer.address_requirements !== "none" && <Text size="xs">{t.paper}</Text>}
            </div>
            {offer.address_requirements === "none" && (
              <Button
                size="xs"
                variant="light"
                aria-label={t.chooseOne(phoneText(offer.phone_number))}
                onClick={() => { onChoose(offer, price); }}
              >
                {t.choose}
              </Button>
            )}
          </Group>
        ))}
      </Stack>
    </Stack>
  );
}

interface ConfirmProps {
  choice: { offer: Offer; price: string | null; key: string };
  onBack: () => void;
  onClose: () => void;
}

function Confirm({ choice, onBack, onClose }: ConfirmProps) {
  const shown = phoneText(choice.offer.phone_number);
  const [name, setName] = useState("");
  const client = useQueryClient();
  const buy = useMutation({ mutationFn: () => buyNumber(choice.offer.phone_number, name.trim(), choice.key) });
  const { data: later } = useQuery(purchaseQuery(buy.data !== undefined && buy.data.status !== "bought" ? buy.data.id : null));
  const purchase = later ?? buy.data;
  const isBought = purchase?.status === "bought";
  useEffect(() => {
    if (isBought) void client.invalidateQueries({ queryKey: [...NUMBERS, "list"] });
  }, [isBought, client]);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (buy.isIdle || buy.isError) buy.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Title order={3} size="h4">
          {t.confirmTitle(shown)}
        </Title>
        {purchase === undefined ? (
          <>
            <Text size="sm">{choice.price === null ? t.confirmNoPrice : t.confirmText(choice.price)}</Text>
            <TextInput
              label={t.name}
              maxLength={64}
              value={name}
              disabled={!buy.isIdle}
              onChange={(event) => { setName(event.currentTarget.value); }}
            />
            {buy.isError && <ProblemNote error={buy.error} />}
            <Group justify="flex-end">
              <Button variant="default" disabled={buy.isPending} onClick={onBack}>
                {t.back}
              </Button>
              <Button type="submit" loading={buy.isPending}>
                {t.confirm}
              </Button>
            </Group>
          </>
        ) : (
          <>
            <Alert color={isBought ? "teal" : "yellow"} role="status">
              {isBought ? t.bought(shown) : (t.statuses[purchase.status] ?? purchase.status)}
              {purchase.reason !== null && <Text size="sm">{purchase.reason}</Text>}
            </Alert>
            <Group justify="flex-end">
              <Button onClick={onClose}>{texts.common.close}</Button>
            </Group>
          </>
        )}
      </Stack>
    </form>
  );
}

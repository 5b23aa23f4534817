-- Meter-held credit: deferred income becomes income as the energy is used, a local day at a time. Worked numbers:
-- docs/algorithms/billing.md. What was used is what good readings say; each purse carries its money at the average price.
-- A purse that holds money says itself what was used of it: its balance. Then `credit` and `counted` are minor units,
-- for all that their columns are called _wh.

CREATE TABLE billing_purse (
    supply_point_id bigint PRIMARY KEY,
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    seen_at timestamptz NOT NULL,        -- reading up to which the use was released
    seen_wh bigint NOT NULL,
    looked_to timestamptz NOT NULL,      -- days before it are done, also those without a reading that can be true
    credit_wh bigint NOT NULL,           -- credit of the purse by the books; below zero: used past it
    deferred_minor bigint NOT NULL,      -- what of deferred income stands for it
    counted_wh bigint NOT NULL,          -- confirmed deliveries so far, credit and worth
    counted_minor bigint NOT NULL
);

CREATE TABLE billing_release (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    supply_point_id bigint NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,          -- exclusive
    energy_wh bigint NOT NULL,
    price numeric(14,6) NOT NULL,        -- per kWh, as carried: the average of what was paid for the credit; in money: as drained
    amount_minor bigint NOT NULL,
    entry_id bigint,                     -- NULL when amount_minor is 0
    PRIMARY KEY (site_id, circuit_id, from_at),
    CONSTRAINT release_forward CHECK (from_at < to_at AND energy_wh >= 0),
    CONSTRAINT release_booked CHECK (amount_minor >= 0 AND (amount_minor = 0) = (entry_id IS NULL)),
    CONSTRAINT release_no_overlap EXCLUDE USING gist (
        int8range(circuit_id, circuit_id, '[]') WITH &&, tstzrange(from_at, to_at) WITH &&)
);
CREATE INDEX release_supply ON billing_release (supply_point_id, to_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_release
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- What confirmed deliveries brought into the purse of a supply point until a moment, less what returns took out.
CREATE FUNCTION billing_delivered(p_supply bigint, p_until timestamptz, OUT wh bigint, OUT minor bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(sum(CASE d.kind WHEN 'purchase' THEN d.amount ELSE -d.amount END), 0),
        coalesce(sum(CASE d.kind WHEN 'purchase' THEN d.value_minor ELSE -d.value_minor END), 0)
    INTO wh, minor
    FROM estate_supplypoint sp JOIN vending_delivery d ON d.circuit_id = sp.circuit_id AND d.state = 'confirmed'
        AND d.kind IN ('purchase', 'return') AND d.credit_account_id IS NULL AND d.settled_at <= p_until
        AND d.created_at >= sp.valid_from AND (sp.valid_to IS NULL OR d.created_at < sp.valid_to)
    WHERE sp.id = p_supply;
END $$;

-- Whether an order may have reached the meter and not yet the books at a moment: a balance of then says neither.
CREATE FUNCTION billing_order_between(p_circuit bigint, p_at timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM vending_delivery d WHERE d.circuit_id = p_circuit AND d.credit_account_id IS NULL
        AND d.state <> 'refused' AND d.created_at <= p_at AND (d.settled_at IS NULL OR d.settled_at > p_at));
END $$;

-- Begins with the purses that were opened since: at their first reading with a balance. Also with those that were closed
-- meanwhile and were sold to: what is deferred for them is income with their last day.
CREATE FUNCTION billing_begin_purses(p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_done integer;
BEGIN
    INSERT INTO billing_purse (supply_point_id, site_id, circuit_id, seen_at, seen_wh, looked_to, credit_wh,
        deferred_minor, counted_wh, counted_minor)
    SELECT sp.id, c.site_id, c.id, b.at, f.energy_wh - b.used_wh, b.at, CASE WHEN b.used_wh = 0 THEN f.balance ELSE 0 END,
        CASE WHEN b.used_wh = 0 THEN d.minor ELSE 0 END + coalesce(o.worth, 0), CASE WHEN b.used_wh = 0 THEN d.wh ELSE 0 END,
        CASE WHEN b.used_wh = 0 THEN d.minor ELSE 0 END
    FROM estate_supplypoint sp
    JOIN estate_circuit c ON c.id = sp.circuit_id
    LEFT JOIN LATERAL (
        SELECT x.done_at, (SELECT sum(t.amount_minor) FROM ledger_entry e
                           JOIN ledger_transfer t ON t.site_id = e.site_id AND t.entry_id = e.id
                           WHERE e.site_id = c.site_id AND e.key = 'opening:' || x.id)::bigint AS worth
        FROM vending_opening x WHERE x.supply_point_id = sp.id AND x.kind = 'open' AND x.state = 'done'
        ORDER BY x.id DESC LIMIT 1) o ON true
    CROSS JOIN LATERAL (
        SELECT m.at, m.energy_wh, m.balance FROM metering_reading m
        WHERE m.site_id = c.site_id AND m.circuit_id = c.id AND m.at >= coalesce(o.done_at, sp.valid_from)
          AND m.at <= p_at AND (sp.valid_to IS NULL OR m.at < sp.valid_to)
          AND m.quality = 0 AND m.energy_wh IS NOT NULL AND m.balance IS NOT NULL
          -- an order that the balance may have, and the books not yet, would be counted twice
          AND (sp.carrier = 'token' OR NOT billing_order_between(c.id, m.at))
        ORDER BY m.at LIMIT 1) f
    CROSS JOIN LATERAL billing_delivered(sp.id, f.at) d
    -- by token, and not read when it was opened: what was given out and is not there any more was used since
    CROSS JOIN LATERAL (SELECT CASE sp.carrier WHEN 'token' THEN least(f.energy_wh, greatest(0, d.wh - f.balance)) ELSE 0 END
                            AS used_wh) u
    CROSS JOIN LATERAL (SELECT u.used_wh, CASE WHEN u.used_wh = 0 THEN f.at ELSE coalesce(o.done_at, sp.valid_from) END
                            AS at) b
    WHERE sp.custody = 'meter' AND sp.prepaid
      AND (sp.state IN ('open', 'closing') OR sp.state = 'closed' AND sp.valid_to > p_at - interval '31 days'
           AND (o.worth > 0 OR EXISTS (SELECT FROM billing_delivered(sp.id, sp.valid_to) x WHERE x.minor > 0)))
      AND NOT EXISTS (SELECT FROM billing_purse p WHERE p.supply_point_id = sp.id)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_done = ROW_COUNT;
    RETURN v_done;
END $$;

-- Releases the next finished local day of each purse; how many purses had one. p_at: now.
-- Of what a purse stands for (deferred) the share of the energy that is used up is income: with the credit it had and
-- what was delivered, less what was used. Use past zero is paid for by the next purchase and is income then.
-- p_displays: as metering_absorb. What stands behind a doubt is not released (billing_doubted).
CREATE FUNCTION billing_release_day(p_at timestamptz, p_displays jsonb DEFAULT '{}') RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; v_entry bigint; v_done integer;
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS due_release (
        supply_point_id bigint, site_id bigint, circuit_id bigint, from_at timestamptz, day_end timestamptz,
        to_at timestamptz, to_wh bigint, used_wh bigint, credit_wh bigint, base_wh bigint, deferred_minor bigint,
        counted_wh bigint, counted_minor bigint, exponent smallint, ended boolean, in_money boolean, amount_minor bigint
    ) ON COMMIT DELETE ROWS;
    DELETE FROM due_release;
    INSERT INTO due_release
    SELECT q.*, CASE WHEN q.to_at IS NULL OR q.deferred_minor <= 0 THEN 0
        WHEN q.base_wh <= 0 OR q.ended THEN q.deferred_minor
        ELSE div(q.deferred_minor::numeric * (q.base_wh - least(q.base_wh, greatest(0, q.credit_wh))), q.base_wh) END
    FROM (
        SELECT p.supply_point_id, p.site_id, p.circuit_id, p.seen_at, n.day_end,
            coalesce(l.at, CASE WHEN n.ended THEN greatest(sp.valid_to, p.seen_at + interval '1 microsecond') END) AS to_at,
            coalesce(l.shown_wh, p.seen_wh) AS to_wh, coalesce(l.wh - p.seen_wh, 0) AS used_wh,
            CASE WHEN sp.credit_unit <> 'Wh' THEN coalesce(l.balance, p.credit_wh + d.wh - p.counted_wh)
                ELSE p.credit_wh + d.wh - p.counted_wh - coalesce(l.wh - p.seen_wh, 0) END AS credit_wh,
            p.credit_wh + d.wh - p.counted_wh + greatest(0, -p.credit_wh) AS base_wh,
            p.deferred_minor + d.minor - p.counted_minor AS deferred_minor, d.wh AS counted_wh, d.minor AS counted_minor,
            co.exponent, n.ended, sp.credit_unit <> 'Wh' AS in_money
        FROM (SELECT b.* FROM billing_purse b JOIN estate_supplypoint sp ON sp.id = b.supply_point_id
              WHERE sp.state IN ('open', 'closing') OR b.looked_to < sp.valid_to
              ORDER BY b.supply_point_id FOR NO KEY UPDATE OF b SKIP LOCKED) p
        JOIN estate_supplypoint sp ON sp.id = p.supply_point_id
        JOIN estate_site s ON s.id = p.site_id JOIN estate_company co ON co.id = s.company_id
        LEFT JOIN metering_latest la ON la.site_id = p.site_id AND la.circuit_id = p.circuit_id
        LEFT JOIN LATERAL (
            SELECT m.at FROM metering_reading m
            WHERE m.site_id = p.site_id AND m.circuit_id = p.circuit_id AND m.at > p.looked_to
              AND m.at <= least(p_at, sp.valid_to) AND m.quality = 0 AND m.energy_wh IS NOT NULL
            ORDER BY m.at LIMIT 1) f ON true
        CROSS JOIN LATERAL (  -- with its last day a purse is empty: nobody closes or changes it before
            SELECT e.day_end, sp.state = 'closed' AND e.day_end > sp.valid_to AS ended
            FROM (SELECT ((coalesce(f.at, sp.valid_to) AT TIME ZONE s.timezone)::date + 1)::timestamp
                      AT TIME ZONE s.timezone AS day_end) e
            WHERE f.at IS NOT NULL OR sp.state = 'closed') n
        LEFT JOIN LATERAL (
            SELECT m.at, m.energy_wh AS shown_wh, m.balance,
                billing_unrolled(m.energy_wh, p.seen_wh, m.at - p.seen_at, e.end_wh) AS wh
            FROM metering_reading m
            CROSS JOIN LATERAL (
                SELECT CASE WHEN m.energy_wh < p.seen_wh THEN metering_end_wh(p.circuit_id, p_displays) END AS end_wh) e
            WHERE m.site_id = p.site_id AND m.circuit_id = p.circuit_id AND m.at > p.looked_to AND m.at < n.day_end
              AND m.at <= least(p_at, sp.valid_to) AND m.quality = 0 AND m.energy_wh IS NOT NULL
              AND billing_unrolled(m.energy_wh, p.seen_wh, m.at - p.seen_at, e.end_wh) IS NOT NULL
              AND NOT billing_doubted(m.at, p.seen_at, la.sure_at)
              AND (sp.credit_unit = 'Wh' OR m.balance IS NOT NULL AND NOT billing_order_between(p.circuit_id, m.at))
            ORDER BY m.at DESC LIMIT 1) l ON true
        CROSS JOIN LATERAL billing_delivered(p.supply_point_id, CASE WHEN n.ended THEN p_at ELSE coalesce(l.at, p.seen_at) END) d
        WHERE n.day_end <= p_at
    ) q;
    GET DIAGNOSTICS v_done = ROW_COUNT;
    FOR r IN
        SELECT s.id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS day, x.amount
        FROM (SELECT site_id, sum(amount_minor)::bigint AS amount FROM due_release GROUP BY site_id) x
        JOIN estate_site s ON s.id = x.site_id ORDER BY s.id
    LOOP
        v_entry := NULL;
        IF r.amount > 0 THEN
            v_entry := ledger_book(r.company_id, r.id, 'release:' || nextval('billing_batch'), 'release', 'system', '', p_at,
                r.day, NULL, ARRAY[ledger_account(r.company_id, r.id, 'deferred_income', 'deferred_income')],
                ARRAY[ledger_account(r.company_id, r.id, 'income', 'income')], ARRAY[r.amount]);
        END IF;
        INSERT INTO billing_release (site_id, circuit_id, supply_point_id, from_at, to_at, energy_wh, price, amount_minor,
            entry_id)
        SELECT d.site_id, d.circuit_id, d.supply_point_id, d.from_at, d.to_at, d.used_wh,
            CASE WHEN d.in_money THEN CASE WHEN d.used_wh > 0 THEN least(99999999,
                round(d.amount_minor::numeric * 1000 / (d.used_wh * ('1e' || d.exponent)::numeric), 6)) ELSE 0 END
            WHEN d.base_wh > 0 THEN least(99999999,
                round(greatest(0, d.deferred_minor) * 1000 / (d.base_wh * ('1e' || d.exponent)::numeric), 6)) ELSE 0 END,
            d.amount_minor, CASE WHEN d.amount_minor > 0 THEN v_entry END
        FROM due_release d WHERE d.site_id = r.id AND d.to_at IS NOT NULL AND (d.used_wh > 0 OR d.amount_minor > 0);
    END LOOP;
    UPDATE billing_purse p SET seen_at = d.to_at, seen_wh = d.to_wh, credit_wh = d.credit_wh,
        deferred_minor = d.deferred_minor - d.amount_minor, counted_wh = d.counted_wh, counted_minor = d.counted_minor
    FROM due_release d WHERE p.supply_point_id = d.supply_point_id AND d.to_at IS NOT NULL;
    UPDATE billing_purse p SET looked_to = d.day_end - interval '1 microsecond'
    FROM due_release d WHERE p.supply_point_id = d.supply_point_id;
    RETURN v_done;
END $$;

-- Takes what was copied into the session's table `incoming`: judges it, appends readings, notes changes
-- of supply, overwrites the latest row, adds up the day, tells the live pages. One call per batch.

CREATE FUNCTION metering_incoming() RETURNS void LANGUAGE sql AS $$
    CREATE TEMP TABLE IF NOT EXISTS incoming (
        site_id bigint, circuit_id bigint, gateway_id bigint, epoch bigint, at timestamptz, full_read boolean,
        source smallint, energy_wh bigint, power_w integer, balance bigint, purchase_count integer,
        last_order_kind smallint, last_order_amount bigint, purchased_total bigint, use_past_zero bigint,
        relay smallint, status integer, rates_wh bigint[], voltage_mv integer[], current_ma integer[]
    ) ON COMMIT DELETE ROWS;
$$;

-- p_cause: StatusBit names by bit, to name the cause of an opening.
CREATE FUNCTION metering_absorb(p_causes text[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_count integer; v_site record;
BEGIN
    -- fencing: rows of a gateway whose epoch has moved on are not believed
    DELETE FROM incoming i WHERE i.gateway_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM metering_gatewaylease l WHERE l.gateway_id = i.gateway_id AND l.epoch = i.epoch);

    WITH judged AS (
        SELECT i.*, CASE
            WHEN i.energy_wh IS NULL OR l.energy_wh IS NULL THEN 0
            WHEN i.at <= l.at AND l.at <= clock_timestamp() + interval '5 s' THEN 3
            WHEN i.energy_wh < l.energy_wh THEN 1
            -- more than 2 MW over the whole gap is no load of a supply point
            WHEN i.energy_wh - l.energy_wh > 1000 + 2000000 * extract(epoch FROM i.at - l.at) / 3600 THEN 2
            ELSE 0 END AS quality
        FROM incoming i LEFT JOIN metering_latest l USING (site_id, circuit_id)
    )
    INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, power_w, balance,
        purchase_count, relay, status, rates_wh, voltage_mv, current_ma)
    SELECT site_id, circuit_id, at, full_read, source, quality, energy_wh, power_w, balance,
        purchase_count, relay, status, rates_wh, voltage_mv, current_ma FROM judged
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_count = ROW_COUNT;

    CREATE TEMP TABLE IF NOT EXISTS newest (LIKE metering_latest) ON COMMIT DELETE ROWS;
    DELETE FROM newest;
    INSERT INTO newest (site_id, circuit_id, at, full_at, energy_wh, power_w, balance, purchase_count,
        last_order_kind, last_order_amount, purchased_total, use_past_zero, relay, status,
        rates_wh, voltage_mv, current_ma)
    SELECT DISTINCT ON (site_id, circuit_id) site_id, circuit_id, max(at) OVER w,
        max(at) FILTER (WHERE full_read) OVER w,
        first_value(energy_wh) OVER (w ORDER BY (energy_wh IS NULL), at DESC),
        first_value(power_w) OVER (w ORDER BY (power_w IS NULL), at DESC),
        first_value(balance) OVER (w ORDER BY (balance IS NULL), at DESC),
        first_value(purchase_count) OVER (w ORDER BY (purchase_count IS NULL), at DESC),
        first_value(last_order_kind) OVER (w ORDER BY (last_order_kind IS NULL), at DESC),
        first_value(last_order_amount) OVER (w ORDER BY (last_order_amount IS NULL), at DESC),
        first_value(purchased_total) OVER (w ORDER BY (purchased_total IS NULL), at DESC),
        first_value(use_past_zero) OVER (w ORDER BY (use_past_zero IS NULL), at DESC),
        first_value(relay) OVER (w ORDER BY (relay IS NULL), at DESC),
        coalesce(first_value(status) OVER (w ORDER BY (status IS NULL), at DESC), -1),
        first_value(rates_wh) OVER (w ORDER BY (rates_wh IS NULL), at DESC),
        first_value(voltage_mv) OVER (w ORDER BY (voltage_mv IS NULL), at DESC),
        first_value(current_ma) OVER (w ORDER BY (current_ma IS NULL), at DESC)
    FROM incoming WINDOW w AS (PARTITION BY site_id, circuit_id);

    -- supply that changed: relay against the latest row, the cause from the status bits
    INSERT INTO metering_supplyevent (site_id, circuit_id, kind, cause, at, balance, power_w)
    SELECT n.site_id, n.circuit_id, CASE n.relay WHEN 0 THEN 'opened' ELSE 'closed' END,
        coalesce((SELECT p_causes[b + 1] FROM generate_series(0, cardinality(p_causes) - 1) b
                  WHERE n.relay = 0 AND n.status >= 0 AND n.status & (1 << b) <> 0
                    AND p_causes[b + 1] IN ('credit_trip', 'warning_trip', 'overload_trip', 'malicious_load_trip',
                                            'hand_opened', 'command_trip') LIMIT 1), ''),
        n.at, n.balance, n.power_w
    FROM newest n JOIN metering_latest l USING (site_id, circuit_id)
    WHERE n.relay IS NOT NULL AND l.relay IS NOT NULL AND n.relay <> l.relay AND n.at > l.at;

    -- nothing was read for so long that a day ended meanwhile: what the meter froze then is asked for, and nothing is
    -- charged before that was tried
    INSERT INTO metering_gap (site_id, circuit_id, from_at, to_at, before_wh, state, tries, freezes, due_at, waits_until)
    SELECT n.site_id, n.circuit_id, l.at, f.at, l.energy_wh, 'open', 0, 0, f.at, f.at + interval '10 min'
    FROM newest n JOIN metering_latest l USING (site_id, circuit_id) JOIN estate_site s ON s.id = n.site_id
    CROSS JOIN LATERAL (SELECT min(i.at) AS at FROM incoming i
                        WHERE i.site_id = n.site_id AND i.circuit_id = n.circuit_id AND i.at > l.at) f
    WHERE n.at - l.at > interval '2 h' AND f.at - l.at > interval '2 h' AND l.energy_wh IS NOT NULL
      AND (f.at AT TIME ZONE s.timezone)::date > (l.at AT TIME ZONE s.timezone)::date
    ON CONFLICT DO NOTHING;

    INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, rates_wh, last_energy_wh, last_balance)
    SELECT n.site_id, n.circuit_id, (n.at AT TIME ZONE s.timezone)::date,
        greatest(0, n.energy_wh - coalesce(l.energy_wh, n.energy_wh)), n.rates_wh, n.energy_wh, n.balance
    FROM newest n JOIN estate_site s ON s.id = n.site_id LEFT JOIN metering_latest l USING (site_id, circuit_id)
    WHERE n.energy_wh IS NOT NULL AND (l.at IS NULL OR n.at > l.at OR l.at > clock_timestamp() + interval '5 s')
      AND (l.energy_wh IS NULL OR n.energy_wh - l.energy_wh <= 1000 + 2000000 * extract(epoch FROM n.at - l.at) / 3600)
    ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET
        used_wh = metering_daily.used_wh + excluded.used_wh,
        rates_wh = coalesce(excluded.rates_wh, metering_daily.rates_wh),
        last_energy_wh = excluded.last_energy_wh,
        last_balance = coalesce(excluded.last_balance, metering_daily.last_balance);

    INSERT INTO metering_latest AS t (site_id, circuit_id, at, full_at, energy_wh, power_w, balance, purchase_count,
        last_order_kind, last_order_amount, purchased_total, use_past_zero, relay, status, relay_at,
        rates_wh, voltage_mv, current_ma)
    -- the old status stands where none was read (-1)
    SELECT n.site_id, n.circuit_id, n.at, n.full_at, n.energy_wh, n.power_w, n.balance, n.purchase_count,
        n.last_order_kind, n.last_order_amount, n.purchased_total, n.use_past_zero, n.relay,
        coalesce(nullif(n.status, -1), l.status, 0),
        CASE WHEN n.relay IS NULL THEN NULL ELSE n.at END, n.rates_wh, n.voltage_mv, n.current_ma
    FROM newest n LEFT JOIN metering_latest l USING (site_id, circuit_id)
    ON CONFLICT (site_id, circuit_id) DO UPDATE SET
        at = excluded.at, full_at = coalesce(excluded.full_at, t.full_at),
        energy_wh = coalesce(excluded.energy_wh, t.energy_wh),
        power_w = coalesce(excluded.power_w, t.power_w),
        balance = coalesce(excluded.balance, t.balance),
        purchase_count = coalesce(excluded.purchase_count, t.purchase_count),
        last_order_kind = coalesce(excluded.last_order_kind, t.last_order_kind),
        last_order_amount = coalesce(excluded.last_order_amount, t.last_order_amount),
        purchased_total = coalesce(excluded.purchased_total, t.purchased_total),
        use_past_zero = coalesce(excluded.use_past_zero, t.use_past_zero),
        relay_at = CASE WHEN excluded.relay IS DISTINCT FROM t.relay AND excluded.relay IS NOT NULL
                   THEN excluded.at ELSE t.relay_at END,
        relay = coalesce(excluded.relay, t.relay),
        status = excluded.status,
        rates_wh = coalesce(excluded.rates_wh, t.rates_wh),
        voltage_mv = coalesce(excluded.voltage_mv, t.voltage_mv),
        current_ma = coalesce(excluded.current_ma, t.current_ma)
    -- a row from a future that did not happen (the host's clock was set back) does not block
    WHERE excluded.at >= t.at OR t.at > clock_timestamp() + interval '5 s';

    FOR v_site IN
        SELECT site_id, json_agg(circuit_id) AS ids
        FROM (SELECT site_id, circuit_id, row_number() OVER (PARTITION BY site_id) / 400 AS part FROM newest) q
        GROUP BY site_id, part
    LOOP
        PERFORM pg_notify('prewatt_live', json_build_object('site', v_site.site_id, 'circuits', v_site.ids)::text);
    END LOOP;
    RETURN v_count;
END $$;

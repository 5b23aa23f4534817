-- What meters froze at the ends of days and months, as they said it: once each.
CREATE TABLE metering_freeze (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    kind text NOT NULL,                  -- core.meters.freezes.FreezeKind: day, month
    at timestamptz NOT NULL,             -- by the meter's clock
    energy_wh bigint NOT NULL,           -- total import, CT ratio applied
    rates_wh bigint[],                   -- sharp, peak, flat, valley
    read_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, circuit_id, kind, at)
);

-- Keeps what a job brought. p_local: the meter showed the site's wall time, which counts as if it were UTC in p_shown.
-- A freeze that is known already stays as it was said first.
CREATE FUNCTION metering_keep_freezes(
    p_circuit bigint, p_kind text, p_local boolean, p_shown bigint[], p_energy bigint[], p_rates jsonb, p_at timestamptz
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE v_count integer;
BEGIN
    INSERT INTO metering_freeze (site_id, circuit_id, kind, at, energy_wh, rates_wh, read_at)
    SELECT c.site_id, c.id, p_kind, CASE WHEN p_local
            THEN (to_timestamp(f.shown) AT TIME ZONE 'UTC') AT TIME ZONE s.timezone ELSE to_timestamp(f.shown) END,
        f.energy, CASE WHEN jsonb_typeof(p_rates->(f.place::integer - 1)) = 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(p_rates->(f.place::integer - 1))::bigint) END, p_at
    FROM unnest(p_shown, p_energy) WITH ORDINALITY AS f(shown, energy, place)
    JOIN estate_circuit c ON c.id = p_circuit JOIN estate_site s ON s.id = c.site_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

-- Readings in daily partitions, the latest state per circuit, daily use. Written by binary COPY.
-- All keys lead with site_id (a cluster may be sharded by site one day); none is the target of a
-- foreign key.

CREATE TABLE metering_reading (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    at timestamptz NOT NULL,
    full_read boolean NOT NULL,          -- false: status poll, true: register read
    source smallint NOT NULL,            -- 0 poll, 1 command, 2 read now, 3 freeze, 4 loaded history
    quality smallint NOT NULL,           -- 0 good, 1 backward, 2 jump, 3 repeated, 4 clock off
    energy_wh bigint,                    -- total import, CT ratio applied
    power_w integer,
    balance bigint,                      -- credit unit
    purchase_count integer,
    relay smallint,                      -- 0 open, 1 closed
    status integer,                      -- bits in the order of core StatusBit
    rates_wh bigint[],                   -- sharp, peak, flat, valley
    voltage_mv integer[],
    current_ma integer[],
    PRIMARY KEY (site_id, circuit_id, at)
) PARTITION BY RANGE (at);

CREATE TABLE metering_reading_rest PARTITION OF metering_reading DEFAULT;

-- One row per circuit, overwritten by each poll. fillfactor 50 keeps the updates HOT.
CREATE TABLE metering_latest (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    at timestamptz NOT NULL,             -- of the newest good frame
    full_at timestamptz,                 -- of the newest register read
    energy_wh bigint,
    power_w integer,
    balance bigint,
    purchase_count integer,
    last_order_kind smallint,
    last_order_amount bigint,
    purchased_total bigint,
    use_past_zero bigint,
    relay smallint,
    status integer NOT NULL DEFAULT 0,
    relay_at timestamptz,                -- when the relay was first seen in this position
    rates_wh bigint[],
    voltage_mv integer[],
    current_ma integer[],
    PRIMARY KEY (site_id, circuit_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Use per circuit and local day, per rate; from good readings.
CREATE TABLE metering_daily (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    day date NOT NULL,
    used_wh bigint NOT NULL,
    rates_wh bigint[],
    last_energy_wh bigint NOT NULL,      -- reading that closes the day so far
    last_balance bigint,
    PRIMARY KEY (site_id, circuit_id, day)
) WITH (fillfactor = 70);

-- Makes the partitions of the days around `around`; called at start and each hour.
CREATE FUNCTION metering_make_partitions(around date, days_before int, days_after int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE d date;
BEGIN
    FOR d IN SELECT generate_series(around - days_before, around + days_after, interval '1 day')::date LOOP
        IF to_regclass(format('metering_reading_%s', to_char(d, 'YYYYMMDD'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE metering_reading_%s PARTITION OF metering_reading FOR VALUES FROM (%L) TO (%L)',
                to_char(d, 'YYYYMMDD'), d::timestamp AT TIME ZONE 'UTC', (d + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
END $$;

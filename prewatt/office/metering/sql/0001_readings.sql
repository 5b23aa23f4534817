-- Readings in daily partitions, the latest state per circuit, daily use. Written by binary COPY.
-- All keys lead with site_id (a cluster may be sharded by site one day); none is the target of a
-- foreign key.

CREATE TABLE metering_reading (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    at timestamptz NOT NULL,
    full_read boolean NOT NULL,          -- false: status poll, true: register read
    source smallint NOT NULL,            -- 0 poll, 1 command, 2 read now, 3 freeze, 4 loaded history, 5 stated
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
DECLARE d date; v_name text; v_bounds text;
BEGIN
    -- worker and head-ends call this at the same moment when they start together
    PERFORM pg_advisory_xact_lock(hashtextextended('metering_make_partitions', 0));
    FOR d IN SELECT generate_series(around - days_before, around + days_after, interval '1 day')::date LOOP
        v_name := format('metering_reading_%s', to_char(d, 'YYYYMMDD'));
        CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
        v_bounds := format('FOR VALUES FROM (%L) TO (%L)', d::timestamp AT TIME ZONE 'UTC',
            (d + 1)::timestamp AT TIME ZONE 'UTC');
        BEGIN
            -- a backup reads these tables for minutes: whoever waits behind it holds up all readings that come after
            PERFORM set_config('lock_timeout', '2s', true);
            IF NOT EXISTS (SELECT FROM metering_reading_rest WHERE at >= d::timestamp AT TIME ZONE 'UTC'
                           AND at < (d + 1)::timestamp AT TIME ZONE 'UTC') THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF metering_reading %s', v_name, v_bounds);
                CONTINUE;
            END IF;
            -- a clock that was wrong left rows of this day in the rest, where they forbid the day's own partition
            LOCK TABLE metering_reading_rest IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('CREATE TABLE %I (LIKE metering_reading INCLUDING ALL)', v_name);
            EXECUTE format('WITH moved AS (DELETE FROM metering_reading_rest WHERE at >= %L AND at < %L RETURNING *)
                INSERT INTO %I SELECT * FROM moved',
                d::timestamp AT TIME ZONE 'UTC', (d + 1)::timestamp AT TIME ZONE 'UTC', v_name);
            EXECUTE format('ALTER TABLE metering_reading ATTACH PARTITION %I %s', v_name, v_bounds);
        EXCEPTION WHEN lock_not_available THEN
            RETURN;  -- days are made a week ahead; until the next call a reading without one goes to the rest
        END;
    END LOOP;
END $$;

-- Charges of server-held supply points: energy between two good readings, rated by the plan version valid then.
-- Worked numbers: docs/algorithms/billing.md.

CREATE TABLE billing_charge (
    site_id bigint NOT NULL,
    circuit_id bigint NOT NULL,
    supply_point_id bigint NOT NULL,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,          -- exclusive
    from_wh bigint NOT NULL,             -- the counter at both ends; at an edge between readings by linear time share
    to_wh bigint NOT NULL,
    energy_wh bigint NOT NULL,
    plan_version_id bigint NOT NULL,
    price numeric(12,6) NOT NULL,        -- per kWh, of that version
    amount_minor bigint NOT NULL,        -- whole minor units taken; the rest is carried
    carried_after numeric(20,9) NOT NULL,
    entry_id bigint,                     -- NULL when amount_minor is 0
    PRIMARY KEY (site_id, circuit_id, from_at),
    CONSTRAINT charge_forward CHECK (from_at < to_at AND energy_wh > 0),
    CONSTRAINT charge_booked CHECK (amount_minor >= 0 AND (amount_minor = 0) = (entry_id IS NULL)),
    -- no energy is billed twice, whoever bills: two charges of a circuit never overlap
    CONSTRAINT charge_no_overlap EXCLUDE USING gist (
        int8range(circuit_id, circuit_id, '[]') WITH &&, tstzrange(from_at, to_at) WITH &&)
);
CREATE INDEX charge_supply ON billing_charge (supply_point_id, to_at);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_charge
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- An estate in bulk: :circuits single-circuit meters on lines of :per_line, every one opened, read and sold to before.
-- Made below every verb, because a bench needs tens of thousands of them in seconds.
INSERT INTO estate_company (id, name, currency, exponent) VALUES (1, 'Bench', 'CNY', 2);
INSERT INTO estate_site (id, company_id, code, name, timezone) VALUES (1, 1, 'bench', 'Bench', 'Asia/Shanghai');
INSERT INTO estate_building (id, site_id, code, name, sort)
    SELECT b, 1, 'B' || b, 'Building ' || b, b FROM generate_series(1, 4) b;
INSERT INTO estate_plan (id, company_id, code, name) VALUES (1, 1, 'flat', 'Flat');
INSERT INTO estate_planversion (id, plan_id, price, valid_from, created_at) VALUES (1, 1, 0.92, :then, :then);
INSERT INTO estate_room (id, building_id, floor, code, name, initials)
    SELECT i, 1 + i % 4, 1 + (i / 4) % 20, 'R-' || lpad(i::text, 6, '0'), 'Room ' || i, '' FROM :each i;
INSERT INTO estate_customer (id, company_id, name, initials, phone, customer_class, reference)
    SELECT i, 1, 'Customer ' || i, '', '139' || lpad(i::text, 8, '0'), 'shop', '' FROM :each i;
INSERT INTO estate_contract (id, site_id, number, customer_id, state, opened_at)
    SELECT i, 1, '3' || lpad(i::text, 9, '0'), i, 'open', :then FROM :each i;
INSERT INTO estate_gateway (id, site_id, code, name, host, revision)
    SELECT g, 1, 'G' || g, 'Gateway ' || g, '127.0.0.1', 1
    FROM generate_series(1, 1 + (:circuits - 1) / (:per_line * :lines_per_gateway)) g;
INSERT INTO estate_line (id, gateway_id, code, transport, port, baud)
    SELECT l, 1 + (l - 1) / :lines_per_gateway, 'L' || l, 'rtu-over-tcp', :port, 9600
    FROM generate_series(1, 1 + (:circuits - 1) / :per_line) l;
INSERT INTO estate_meter (id, site_id, number, profile, line_id, unit, ct_ratio)
    SELECT i, 1, '26' || lpad(i::text, 10, '0'), 'pilot-spm9511', 1 + (i - 1) / :per_line, 1 + (i - 1) % :per_line, 1
    FROM :each i;
INSERT INTO estate_circuit (id, site_id, meter_id, index, room_id, use, never_cut)
    SELECT i, 1, i, 1, i, 'tenant', false FROM :each i;
INSERT INTO estate_supplypoint (id, contract_id, circuit_id, custody, prepaid, credit_unit, state, valid_from, alarm_1,
    alarm_2, overdraft, hoarding_limit, load_limit_w)
    SELECT i, i, i, 'meter', true, 'Wh', 'open', :then, 50000, 10000, 0, 900000000, 0 FROM :each i;
INSERT INTO estate_planassignment (supply_point_id, plan_id, valid_from) SELECT i, 1, :then FROM :each i;
INSERT INTO vending_circuitcredit (circuit_id, site_id, purchase_count, carried_minor, updated_at)
    SELECT i, 1, 5, 0, :then FROM :each i;
INSERT INTO metering_latest (site_id, circuit_id, at, full_at, energy_wh, power_w, balance, purchase_count, relay, status,
    relay_at)
    SELECT 1, i, :now, :now, 1000000 + i * 10, 100 + i * 37 % 4000, i * 7919 % 400000 - 5000, 5, (i % 23 <> 0)::int,
        CASE WHEN i % 23 = 0 THEN 1 ELSE 0 END, :now
    FROM :each i;
INSERT INTO metering_daily (site_id, circuit_id, day, used_wh, last_energy_wh, last_balance)
    SELECT 1, i, d::date, 3000 + i * 31 % 9000 + extract(day FROM d)::int * 50, 1000000, 0
    FROM :each i, generate_series(:now - make_interval(days => :days), :now, interval '1 day') d WHERE :days > 0;
INSERT INTO vending_till (id, site_id, code, name, needs_shift, next_receipt)
    SELECT t, 1, 'T' || t, 'Till ' || t, false, 1 FROM generate_series(1, 8) t;
INSERT INTO staff_operator (id, password, username, name, role, language, is_active, created_at, must_change_password,
    totp_secret, totp_last_step)
    VALUES (1, '!', 'bench', 'Bench', 'cashier', 'zh-hans', true, :then, false, '', 0);
INSERT INTO staff_scope (operator_id, company_id) VALUES (1, 1);
INSERT INTO metering_relaywish (circuit_id, wish, reason, until, actor, set_at, decided_cause)
    SELECT i, 'keep_on', 'cold store', :now + interval '1 day', 'bench', :then, '' FROM :each i
    WHERE :days > 0 AND i % 97 = 0;
INSERT INTO metering_linestate (line_id, up, error, since, at, replies, timeouts)
    SELECT id, id % 11 <> 0, '', :then, :now, 0, 0 FROM estate_line WHERE :days > 0;

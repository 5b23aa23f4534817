-- What was accepted stands: a new look is a new record.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON metering_acceptance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

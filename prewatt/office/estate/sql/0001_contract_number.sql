-- Contract numbers (户号) run over all sites; a gap is no harm, a second one would be.
CREATE SEQUENCE estate_contract_number;
